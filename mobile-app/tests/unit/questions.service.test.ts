import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Prediction } from "../../config/api.client";
import type { Problem } from "../../src/rules/problem";
import type { ApiService, Reply } from "../../src/services/api.service";
import { Observable } from "../../src/services/observable";
import { QuestionsService } from "../../src/services/questions.service";
import type { Storage } from "../../src/services/storage.service";

const FLIGHT = { origin: "JFK", destination: "LAX", carrier: "B6", departure: "2026-07-04T08:15" };

/** A backend that answers as it is told, and remembers what it was asked. */
class Backend {
  readonly keys: string[] = [];
  readonly outcomes: [string, boolean][] = [];
  problem: Problem | undefined;
  hold: Promise<void> = Promise.resolve();

  async predict(_: unknown, key: string): Promise<Reply<Prediction>> {
    this.keys.push(key);
    await this.hold;
    if (this.problem !== undefined) return { ok: false, problem: this.problem };
    return { ok: true, value: { id: `p-${key}`, model_version: "v1.0", probability: 0.31 } as Prediction };
  }

  async tellOutcome(id: string, late: boolean): Promise<Reply<unknown>> {
    this.outcomes.push([id, late]);
    await this.hold;
    return this.problem === undefined ? { ok: true, value: {} } : { ok: false, problem: this.problem };
  }
}

class Memory implements Storage {
  readonly kept = new Map<string, string>();

  async read<Value>(name: string): Promise<Value | undefined> {
    const text = this.kept.get(name);
    return text === undefined ? undefined : (JSON.parse(text) as Value);
  }

  async write(name: string, value: unknown): Promise<void> {
    this.kept.set(name, JSON.stringify(value));
  }
}

let backend: Backend;
let memory: Memory;
let connected: Observable<boolean>;

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-07-01T12:00") });
  backend = new Backend();
  memory = new Memory();
  connected = new Observable(true);
});
afterEach(() => vi.useRealTimers());

async function started(): Promise<QuestionsService> {
  let next = memory.kept.size * 100;
  const service = new QuestionsService(backend as unknown as ApiService, memory, connected, () => `id${next++}`);
  await service.start();
  return service;
}

test("an answer is there when asking ends, and kept", async () => {
  const questions = await started();
  const id = await questions.ask(FLIGHT);
  expect(questions.find(id)?.answer?.probability).toBe(0.31);
  expect((await started()).find(id)?.answer?.probability).toBe(0.31);
});

test("without a network nothing is sent; once it is back, what waits is sent once", async () => {
  connected.set(false);
  const questions = await started();
  const id = await questions.ask(FLIGHT);
  expect([backend.keys.length, questions.find(id)?.sending?.problem?.kind]).toEqual([0, "offline"]);
  connected.set(true);
  connected.set(false);
  connected.set(true);
  await vi.advanceTimersByTimeAsync(0);
  expect([backend.keys.length, questions.find(id)?.answer?.probability]).toEqual([1, 0.31]);
});

test("an app that dies after sending sends again under the same key", async () => {
  backend.hold = new Promise(() => {});
  const questions = await started();
  void questions.ask(FLIGHT);
  await vi.advanceTimersByTimeAsync(0);
  backend.hold = Promise.resolve();
  const reborn = await started();
  await vi.advanceTimersByTimeAsync(0);
  expect(backend.keys.length).toBe(2);
  expect(new Set(backend.keys).size).toBe(1);
  expect(reborn.get()[0]?.answer?.probability).toBe(0.31);
});

test("who is told to come back in 30 s is not there after 29, and is after 31", async () => {
  backend.problem = { kind: "busy", retryAt: Date.now() + 30_000 };
  const questions = await started();
  const id = await questions.ask(FLIGHT);
  backend.problem = undefined;
  await vi.advanceTimersByTimeAsync(29_000);
  expect(backend.keys.length).toBe(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect([backend.keys.length, questions.find(id)?.answer?.probability]).toEqual([2, 0.31]);
});

test("saved answers are asked for again when the app is there again after hours; others are not", async () => {
  const questions = await started();
  const id = await questions.ask(FLIGHT);
  vi.setSystemTime(Date.now() + 7 * 3_600_000);
  questions.resume();
  await vi.advanceTimersByTimeAsync(0);
  expect(backend.keys.length).toBe(1);
  questions.save(id, true);
  questions.resume();
  await vi.advanceTimersByTimeAsync(0);
  expect(new Set(backend.keys).size).toBe(2);
});

test("whether it was late waits for the network, and is told once", async () => {
  const questions = await started();
  const id = await questions.ask(FLIGHT);
  connected.set(false);
  await questions.tellOutcome(id, true);
  expect(questions.find(id)?.outcome).toEqual({ late: true, state: "waiting" });
  connected.set(true);
  await vi.advanceTimersByTimeAsync(0);
  questions.resume();
  await vi.advanceTimersByTimeAsync(0);
  expect([backend.outcomes.length, questions.find(id)?.outcome?.state]).toEqual([1, "told"]);
});

test("an outcome that is told while another one is on its way is told as well, each once", async () => {
  const questions = await started();
  const one = await questions.ask(FLIGHT);
  questions.save(one, true);
  const two = await questions.ask({ ...FLIGHT, destination: "SFO" });
  let answer = () => {};
  backend.hold = new Promise((done) => (answer = done));
  const first = questions.tellOutcome(one, true);
  await vi.advanceTimersByTimeAsync(0);
  const second = questions.tellOutcome(two, false);
  await vi.advanceTimersByTimeAsync(0);
  answer();
  await Promise.all([first, second]);
  expect(backend.outcomes.map(([, late]) => late)).toEqual([true, false]);
  expect(questions.get().map(({ outcome }) => outcome?.state)).toEqual(["told", "told"]);
});

test("a backend that takes no outcomes is told once, and the person is not asked again", async () => {
  const questions = await started();
  const id = await questions.ask(FLIGHT);
  backend.problem = { kind: "missing" };
  await questions.tellOutcome(id, false);
  questions.resume();
  await vi.advanceTimersByTimeAsync(0);
  expect([backend.outcomes.length, questions.find(id)?.outcome?.state]).toEqual([1, "refused"]);
});

test.each([{ version: "of another app" }, [null], ["text"], [{ id: "q1" }], [{ id: "q1", flight: null, askedAt: 1 }]])(
  "what was kept and is no question, such as %j, is left out",
  async (kept) => {
    memory.kept.set("questions", JSON.stringify(kept));
    expect((await started()).get()).toEqual([]);
  },
);

test("a full disk stops no question", async () => {
  memory.write = () => Promise.reject(new Error("quota"));
  const questions = await started();
  const id = await questions.ask(FLIGHT);
  expect(questions.find(id)?.answer?.probability).toBe(0.31);
});
