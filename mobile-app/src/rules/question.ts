import type { Flight, Outlook, Prediction } from "../../config/api.client";
import { passes, type Problem } from "./problem";
import { departureTime } from "./time";

/** A sending that has no answer yet. It keeps its key, so that sending it twice asks once. */
export interface Sending {
  key: string;
  attempts: number;
  /** Milliseconds since 1970: it is not sent again before. */
  notBefore: number;
  problem?: Problem;
}

/** "Was it late?", as the person said; `refused` is what the backend did not take, and is not sent again. */
export interface Outcome {
  late: boolean;
  state: "waiting" | "told" | "refused";
}

/** A flight that somebody asked about: what is known of it, and what is still on its way. */
export interface Question {
  id: string;
  flight: Flight;
  askedAt: number;
  saved: boolean;
  sending?: Sending;
  answer?: Prediction;
  answeredAt?: number;
  outlook?: Outlook;
  /** Why the last sending ended without an answer; only a person sends it again. */
  refusal?: Problem;
  outcome?: Outcome;
}

const HOUR = 3_600_000;
/** The longest flight from New York takes eleven hours; the device's time zone may be hours away from the origin's. */
const OVER_AFTER = 12 * HOUR;
const STALE_AFTER = 6 * HOUR;
const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 60_000;

/**
 * Whether a kept value is a question. Bundles come and go, and go back: what one keeps must be read by the one before,
 * so fields may be added here, and never change their meaning.
 */
export function isQuestion(kept: unknown): kept is Question {
  const { id, flight, askedAt } = (kept ?? {}) as Partial<Question>;
  return typeof id === "string" && typeof flight?.departure === "string" && typeof askedAt === "number";
}

export function asked(id: string, key: string, flight: Flight, now: number): Question {
  return { id, flight, askedAt: now, saved: false, sending: { key, attempts: 0, notBefore: now } };
}

/** The same flight once more, under a new key; the earlier answer stays until the new one is there. */
export function askedAgain(question: Question, key: string, now: number): Question {
  return { ...question, refusal: undefined, sending: { key, attempts: 0, notBefore: now } };
}

export function answered(question: Question, answer: Prediction, now: number): Question {
  const sameModel = question.outlook?.model_version === answer.model_version;
  return {
    ...question,
    answer,
    answeredAt: now,
    sending: undefined,
    refusal: undefined,
    outlook: sameModel ? question.outlook : undefined,
  };
}

/**
 * After a sending without an answer: it waits for its next attempt, or ends where another attempt would not help. What
 * has to wait is saved, so that its answer is found under My flights.
 */
export function unanswered(question: Question, problem: Problem, now: number): Question {
  const sending = question.sending;
  if (sending === undefined) return question;
  if (!passes(problem)) return { ...question, sending: undefined, refusal: problem };
  const attempts = sending.attempts + (problem.kind === "offline" ? 0 : 1);
  const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.max(0, attempts - 1));
  const notBefore = problem.kind === "busy" ? problem.retryAt : now + pause;
  return { ...question, saved: true, sending: { ...sending, attempts, notBefore, problem } };
}

/** The network is back: whoever waits for it need not wait longer. Who was told when to come back keeps to that. */
export function reconnected(question: Question, now: number): Question {
  const sending = question.sending;
  if (sending === undefined || sending.problem?.kind === "busy") return question;
  return { ...question, sending: { ...sending, notBefore: now } };
}

/** The flight has landed, as far as the schedule tells. */
export function isOver(question: Question, now: number): boolean {
  return now >= departureTime(question.flight.departure) + OVER_AFTER;
}

/** Whether "was it late?" is to be asked. */
export function awaitsOutcome(question: Question, now: number): boolean {
  return question.saved && question.answer !== undefined && question.outcome === undefined && isOver(question, now);
}

/** Whether a saved answer is so old that it is asked for again; not once the flight has left. */
export function isStale(question: Question, now: number): boolean {
  return (
    question.saved &&
    question.sending === undefined &&
    question.answeredAt !== undefined &&
    now - question.answeredAt >= STALE_AFTER &&
    now < departureTime(question.flight.departure)
  );
}

/** What is kept: saved flights, what is on its way, and the last question, which the form shows again. */
export function worthKeeping(questions: Question[]): Question[] {
  const last = lastAsked(questions);
  return questions.filter(
    (question) =>
      question === last || question.saved || question.sending !== undefined || question.outcome?.state === "waiting",
  );
}

export function lastAsked(questions: Question[]): Question | undefined {
  return questions.reduce<Question | undefined>(
    (last, question) => (last === undefined || question.askedAt >= last.askedAt ? question : last),
    undefined,
  );
}
