import { expect, test } from "vitest";

import type { Prediction } from "../../config/api.client";
import {
  answered,
  asked,
  askedAgain,
  awaitsOutcome,
  isStale,
  reconnected,
  unanswered,
  worthKeeping,
  type Question,
} from "../../src/rules/question";
import { departureTime } from "../../src/rules/time";

const HOUR = 3_600_000;
const FLIGHT = { origin: "JFK", destination: "LAX", carrier: "B6", departure: "2026-07-04T08:15" };
const LEAVES = departureTime(FLIGHT.departure);
const NOW = LEAVES - 48 * HOUR;
const ANSWER = { id: "p1", model_version: "v1.0", probability: 0.31 } as Prediction;

const question = asked("q1", "k1", FLIGHT, NOW);
const known: Question = { ...answered(question, ANSWER, NOW), saved: true };

test("a question that got no answer waits longer each time, a minute at most, under the same key", () => {
  let waiting = question;
  const pauses = Array.from({ length: 8 }, () => {
    waiting = unanswered(waiting, { kind: "unreachable" }, NOW);
    return (waiting.sending!.notBefore - NOW) / 1000;
  });
  expect(pauses).toEqual([2, 4, 8, 16, 32, 60, 60, 60]);
  expect(waiting.sending!.key).toBe("k1");
});

test("what has to wait is saved, so that its answer is found", () => {
  expect(question.saved).toBe(false);
  expect(answered(unanswered(question, { kind: "offline" }, NOW), ANSWER, NOW).saved).toBe(true);
});

test("who is told when to come back comes then, and no sooner when the network returns", () => {
  const busy = unanswered(question, { kind: "busy", retryAt: NOW + 30_000 }, NOW);
  expect(busy.sending!.notBefore).toBe(NOW + 30_000);
  expect(reconnected(busy, NOW + 1)).toBe(busy);
});

test("the network's return ends every other wait", () => {
  const waiting = unanswered(question, { kind: "unreachable" }, NOW);
  expect(reconnected(waiting, NOW + 1).sending!.notBefore).toBe(NOW + 1);
});

test("a question that is refused is not sent again by itself", () => {
  const refused = unanswered(question, { kind: "refused", message: "no", fields: [] }, NOW);
  expect(refused.sending).toBeUndefined();
  expect(refused.refusal?.kind).toBe("refused");
});

test("asking again keeps the answer until the next one is there, under a key of its own", () => {
  const again = askedAgain(known, "k2", NOW + HOUR);
  expect([again.answer, again.sending!.key]).toEqual([ANSWER, "k2"]);
});

test("a day by the hour goes when another model answers", () => {
  const outlook = { model_version: "v1.0", hours: [] };
  const withDay = { ...known, outlook };
  expect(answered(withDay, ANSWER, NOW).outlook).toBe(outlook);
  expect(answered(withDay, { ...ANSWER, model_version: "v1.1" }, NOW).outlook).toBeUndefined();
});

test("a saved answer is asked for again after six hours, until the flight leaves", () => {
  expect(isStale(known, NOW + 6 * HOUR - 1)).toBe(false);
  expect(isStale(known, NOW + 6 * HOUR)).toBe(true);
  expect(isStale(known, LEAVES)).toBe(false);
  expect(isStale({ ...known, saved: false }, NOW + 6 * HOUR)).toBe(false);
  expect(isStale(askedAgain(known, "k2", NOW), NOW + 6 * HOUR)).toBe(false);
});

test("was it late: asked of saved flights twelve hours after their departure, once", () => {
  const over = LEAVES + 12 * HOUR;
  expect(awaitsOutcome(known, over - 1)).toBe(false);
  expect(awaitsOutcome(known, over)).toBe(true);
  expect(awaitsOutcome({ ...known, saved: false }, over)).toBe(false);
  expect(awaitsOutcome({ ...known, outcome: { late: true, state: "waiting" } }, over)).toBe(false);
});

test("kept are saved flights, what is on its way, and the last question", () => {
  const done = (id: string, askedAt: number): Question => ({
    ...answered(asked(id, id, FLIGHT, askedAt), ANSWER, askedAt),
  });
  const old = done("old", NOW - 2);
  const saved = { ...done("saved", NOW - 4), saved: true };
  const waiting = asked("waiting", "k", FLIGHT, NOW - 3);
  const untold: Question = { ...done("untold", NOW - 5), outcome: { late: true, state: "waiting" } };
  const last = done("last", NOW);
  expect(worthKeeping([old, saved, waiting, untold, last])).toEqual([saved, waiting, untold, last]);
});
