import { afterEach, expect, test, vi } from "vitest";

import { sayStarted } from "../../src/services/started.service";

const PLACE = { api: "https://ontime.example", device: "d1", bundle: "1.0.0-4f53cda18c2b", session: "s1" };

afterEach(() => vi.unstubAllGlobals());

/** Answers in order; an error is a network that is not there. */
function network(...answers: (number | Error)[]) {
  const fetch = vi.fn(async (_url: string, _init: RequestInit) => {
    const answer = answers.shift();
    if (answer === undefined || answer instanceof Error) throw answer ?? new Error("asked too often");
    return new Response(null, { status: answer });
  });
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

test("says which bundle, device, session and file it is, without a question before", async () => {
  const fetch = network(200);
  await sayStarted(PLACE, "/assets/index-a.js");
  const [url, init] = fetch.mock.calls[0]!;
  expect(url).toBe("https://ontime.example/ota/started");
  expect(JSON.parse(String(init.body))).toEqual({
    device_id: "d1",
    version: "1.0.0-4f53cda18c2b",
    session_id: "s1",
    file: "/assets/index-a.js",
  });
  // Other headers than the plain ones would make the browser ask first.
  expect(init.headers).toBeUndefined();
});

test("says it again until it is heard, sooner than the service takes it for silent", async () => {
  const fetch = network(new Error("offline"), 503, 429, 408, 503, new Error("offline"), 200);
  const pauses: number[] = [];
  await sayStarted(PLACE, "/a.js", async (seconds) => void pauses.push(seconds));
  expect(fetch).toHaveBeenCalledTimes(7);
  expect(pauses).toEqual([1, 2, 4, 8, 15, 15]);
});

test("does not insist where it is refused", async () => {
  const fetch = network(400);
  await sayStarted(PLACE, "/a.js");
  expect(fetch).toHaveBeenCalledTimes(1);
});
