import { expect, test } from "vitest";

import { apiClient, type ApiClient } from "../../config/api.client";
import { Spans, type Span } from "../../src/services/spans";
import { spansRequest } from "../../src/services/telemetry.service";

const PLACE = { api: "https://ontime.example", device: "d1", bundle: "builtin", session: "s1" };
const ALWAYS = () => 0;
const NEVER = () => 0.5;

/** A client whose requests take 5 ms; the headers of each, and what is told once it is wanted. */
function traced(random: () => number, fetched: () => Response = () => Response.json({})) {
  let now = 1_785_000_000_000;
  const spans = new Spans(random, () => (now += 5));
  const headers: string[] = [];
  const client: ApiClient = apiClient("https://ontime.example", "d1", spans.middleware());
  const ask = async () => {
    try {
      const fetch = (request: Request) => {
        headers.push(request.headers.get("traceparent") ?? "none");
        return Promise.resolve().then(fetched);
      };
      await client.GET("/api/places", { fetch });
    } catch {
      // The client's caller is told; the span says that nothing came.
    }
  };
  const told = () => {
    const found: Span[] = [];
    spans.pass((some) => void found.push(...some));
    spans.flush();
    return found;
  };
  return { ask, headers, told };
}

test("each request names a trace of its own, and the span of a start that is told names the same", async () => {
  const { ask, headers, told } = traced(ALWAYS);
  await ask();
  await ask();
  const found = told();
  expect(headers).toEqual(found.map(({ trace, id }) => `00-${trace}-${id}-01`));
  expect(new Set(headers).size).toBe(2);
  for (const header of headers) expect(header).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  for (const { name, status, began, ended } of found) expect([name, status, ended - began]).toEqual(["GET /api/places", 200, 5]);
});

test("a start that is not told keeps nothing; its requests name traces all the same", async () => {
  const { ask, headers, told } = traced(NEVER);
  await ask();
  expect(headers[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  expect(told()).toEqual([]);
});

test("a request without an answer is told as failed", async () => {
  const { ask, told } = traced(ALWAYS, () => {
    throw new TypeError("no network");
  });
  await ask();
  const found = told();
  expect(found.map(({ status }) => status)).toEqual([undefined]);
  expect(JSON.stringify(spansRequest(PLACE, found))).toContain('"attributes":[],"status":{"code":2}');
});

test("fifty are kept while nobody wants them, the newest", async () => {
  const { ask, headers, told } = traced(ALWAYS);
  for (let number = 0; number < 60; number += 1) await ask();
  expect(told().map(({ trace }) => trace)).toEqual(headers.slice(10).map((header) => header.split("-")[1]));
});

test("what is sent is OTLP's JSON: ids as hexadecimal digits, times as text, the kind CLIENT as 3", () => {
  const span = { trace: "a".repeat(32), id: "b".repeat(16), name: "POST /api/predict", began: 1, ended: 3.4, status: 503 };
  expect(spansRequest(PLACE, [span])).toMatchObject({
    resourceSpans: [
      {
        scopeSpans: [
          {
            spans: [
              {
                traceId: "a".repeat(32),
                spanId: "b".repeat(16),
                name: "POST /api/predict",
                kind: 3,
                startTimeUnixNano: "1000000",
                endTimeUnixNano: "3000000",
                attributes: [{ key: "http.response.status_code", value: { intValue: "503" } }],
                status: { code: 2 },
              },
            ],
          },
        ],
      },
    ],
  });
});
