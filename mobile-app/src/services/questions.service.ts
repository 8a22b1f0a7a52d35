import type { Flight } from "../../config/api.client";
import { passes, type Problem } from "../rules/problem";
import {
  answered,
  asked,
  askedAgain,
  isQuestion,
  isStale,
  reconnected,
  unanswered,
  worthKeeping,
  type Question,
} from "../rules/question";
import type { ApiService } from "./api.service";
import { Observable } from "./observable";
import type { Storage } from "./storage.service";

const KEPT_AS = "questions";

/**
 * All questions of this device. What is asked is kept before it is sent, under one Idempotency-Key until it is
 * answered: however often the network or the app dies in between, it is asked once.
 */
export class QuestionsService extends Observable<Question[]> {
  readonly #underWay = new Map<string, Promise<void>>();
  #telling: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly api: ApiService,
    private readonly storage: Storage,
    private readonly connected: Observable<boolean>,
    private readonly newId: () => string = () => crypto.randomUUID(),
  ) {
    super([]);
  }

  /** Take up what was kept, and send what waits whenever the network comes back. */
  async start(): Promise<void> {
    const kept = await this.storage.read<unknown>(KEPT_AS);
    this.set(Array.isArray(kept) ? kept.filter(isQuestion) : []);
    this.connected.subscribe(() => this.resume());
    this.resume();
  }

  /** The app is on the screen again, or the network is back: send what waits, ask anew for saved answers that are old. */
  resume(): void {
    const now = Date.now();
    this.set(
      this.get().map((question) =>
        isStale(question, now) ? askedAgain(question, this.newId(), now) : reconnected(question, now),
      ),
    );
    this.#sendDue();
  }

  /** Ask about a flight; resolves to the question's id as soon as its first sending has ended, well or not. */
  async ask(flight: Flight): Promise<string> {
    const question = asked(this.newId(), this.newId(), flight, Date.now());
    this.set(worthKeeping([...this.get(), question]));
    await this.#send(question.id);
    return question.id;
  }

  /** Ask about the same flight once more. */
  async askAgain(id: string): Promise<void> {
    this.#change(id, (question) => askedAgain(question, this.newId(), Date.now()));
    await this.#send(id);
  }

  save(id: string, saved: boolean): void {
    this.#change(id, (question) => ({ ...question, saved }));
    void this.#keep();
  }

  remove(id: string): void {
    this.set(this.get().filter((question) => question.id !== id));
    void this.#keep();
  }

  /** "Was it late?": kept, and told to the backend now or once the network is back. */
  async tellOutcome(id: string, late: boolean): Promise<void> {
    this.#change(id, (question) => ({ ...question, outcome: { late, state: "waiting" } }));
    await this.#keep();
    await this.#tellOutcomes();
  }

  /** Fetch the day of an answered flight by the hour; without it the screen does without. */
  async loadOutlook(id: string): Promise<void> {
    const question = this.find(id);
    if (question?.answer === undefined || question.outlook !== undefined || !this.connected.get()) return;
    const reply = await this.api.outlook(question.flight);
    if (!reply.ok) return;
    this.#change(id, (current) => ({ ...current, outlook: reply.value }));
    await this.#keep();
  }

  find(id: string): Question | undefined {
    return this.get().find((question) => question.id === id);
  }

  #sendDue(): void {
    const now = Date.now();
    for (const { id, sending } of this.get()) if (sending !== undefined && sending.notBefore <= now) void this.#send(id);
    void this.#tellOutcomes();
    this.#setTimer();
  }

  /** One sending of a question at a time: who comes meanwhile waits for the one that is under way. */
  #send(id: string): Promise<void> {
    const earlier = this.#underWay.get(id);
    if (earlier !== undefined) return earlier;
    const sending = this.#sendNow(id).finally(() => {
      this.#underWay.delete(id);
      this.#setTimer();
    });
    this.#underWay.set(id, sending);
    return sending;
  }

  async #sendNow(id: string): Promise<void> {
    await this.#keep();
    const question = this.find(id);
    if (question?.sending === undefined) return;
    if (this.connected.get()) {
      const reply = await this.api.predict(question.flight, question.sending.key);
      this.#change(id, (current) =>
        reply.ok ? answered(current, reply.value, Date.now()) : this.#after(current, reply.problem),
      );
    } else {
      this.#change(id, (current) => this.#after(current, { kind: "offline" }));
    }
    await this.#keep();
  }

  #after(question: Question, problem: Problem): Question {
    return unanswered(question, this.connected.get() ? problem : { kind: "offline" }, Date.now());
  }

  /** One round after the other, so that nothing is told twice and what came during a round is told in the next. */
  #tellOutcomes(): Promise<void> {
    this.#telling = this.#telling.then(() => this.#tellOutcomesNow());
    return this.#telling;
  }

  async #tellOutcomesNow(): Promise<void> {
    if (!this.connected.get()) return;
    for (const { id, outcome, answer } of this.get()) {
      if (outcome?.state !== "waiting" || answer === undefined) continue;
      const reply = await this.api.tellOutcome(answer.id, outcome.late);
      if (!reply.ok && passes(reply.problem)) continue;
      const state = reply.ok ? "told" : "refused";
      this.#change(id, (question) => ({ ...question, outcome: { late: outcome.late, state } }));
    }
    await this.#keep();
  }

  /** Wake up for the next question that is due; without a network the network's return does that. */
  #setTimer(): void {
    clearTimeout(this.#timer);
    if (!this.connected.get()) return;
    const waiting = this.get().filter(({ id, sending }) => sending !== undefined && !this.#underWay.has(id));
    const due = Math.min(...waiting.map(({ sending }) => sending?.notBefore ?? Infinity));
    if (due !== Infinity) this.#timer = setTimeout(() => this.#sendDue(), Math.max(0, due - Date.now()) + 20);
  }

  #change(id: string, change: (question: Question) => Question): void {
    this.set(this.get().map((question) => (question.id === id ? change(question) : question)));
  }

  /** Writes go one after the other, each with what is known when its turn comes. A full disk stops no question. */
  #keep(): Promise<void> {
    const write = () => this.storage.write(KEPT_AS, this.get());
    this.#writing = this.#writing.then(write).catch(() => undefined);
    return this.#writing;
  }
}
