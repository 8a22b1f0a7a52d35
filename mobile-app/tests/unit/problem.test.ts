import { describe, expect, test } from "vitest";

import { passes, pauseOf, problemOf, silenceOf } from "../../src/rules/problem";
import { strings } from "../../src/strings";

const NOW = Date.UTC(2026, 10, 26, 12);

function answer(status: number, headers: Record<string, string> = {}): Response {
  return new Response(null, { status, headers });
}

describe("Retry-After", () => {
  test.each([
    [5_000, null],
    [5_000, " "],
    [5_000, "soon"],
    [0, "0"],
    [7_000, "7"],
    [3_600_000, "999999999999"],
    [30_000, "Thu, 26 Nov 2026 12:00:30 GMT"],
    [0, "Thu, 26 Nov 2026 11:00:00 GMT"],
  ])("is %i ms of %s", (pause, header) => {
    expect(pauseOf(header, NOW)).toBe(pause);
  });
});

test("a 503 says when to come back, and its request's id", () => {
  const problem = problemOf(answer(503, { "retry-after": "2", "x-request-id": "r1" }), undefined, NOW);
  expect(problem).toEqual({ kind: "busy", retryAt: NOW + 2_000, requestId: "r1" });
  expect(passes(problem)).toBe(true);
});

test("a 422 names the fields and what they may be", () => {
  const details = [{ path: "origin", found: "ZZZ", allowed: "one of EWR, JFK, LGA" }];
  const body = { error: { code: "invalid_request", message: "origin: expected …", details }, request_id: "r2" };
  const problem = problemOf(answer(422, { "x-request-id": "r2" }), body, NOW);
  expect(problem).toEqual({
    kind: "refused",
    message: "origin: expected …",
    fields: [{ path: "origin", allowed: "one of EWR, JFK, LGA" }],
    requestId: "r2",
  });
  expect(passes(problem)).toBe(false);
});

test.each([undefined, null, "<html>", 7, {}, { error: null }, { error: { details: "none" } }, { error: { details: [{}] } }])(
  "an error whose body is %j is a problem all the same",
  (body) => {
    expect(problemOf(answer(422), body, NOW).kind).toBe("refused");
    expect(problemOf(answer(500), body, NOW)).toEqual({ kind: "broken", status: 500, requestId: undefined });
  },
);

test("no answer, a late one and somebody else's are told apart, and each passes", () => {
  const problems = [
    silenceOf(new TypeError("Failed to fetch")),
    silenceOf(new DOMException("too late", "TimeoutError")),
    silenceOf(new SyntaxError("Unexpected token <")),
  ];
  expect(problems.map(({ kind }) => kind)).toEqual(["unreachable", "slow", "stranger"]);
  expect(problems.every(passes)).toBe(true);
});

test("every problem has words", () => {
  const problems = [
    { kind: "offline" },
    { kind: "unreachable" },
    { kind: "slow" },
    { kind: "stranger" },
    { kind: "busy", retryAt: NOW },
    { kind: "refused", message: "", fields: [{ path: "weather", allowed: "no such field" }] },
    { kind: "missing" },
    { kind: "broken", status: 502 },
  ] as const;
  for (const problem of problems) expect(strings.problem.text({ ...problem } as never)).toMatch(/^[A-Z].*\.$/);
});
