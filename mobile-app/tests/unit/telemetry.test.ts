import { expect, test, vi } from "vitest";

import { Errors, type Uncaught } from "../../src/services/errors";
import { errorRecord, logsRequest, vitalRecord } from "../../src/services/telemetry.service";

const PLACE = { api: "https://ontime.example", device: "d1", bundle: "1.0.0-4f53cda18c2b", session: "s1" };

function page() {
  const listeners = new Map<string, (event: object) => void>();
  return {
    addEventListener: (name: string, listener: unknown) => void listeners.set(name, listener as (event: object) => void),
    throws: (error: unknown) => listeners.get("error")!({ error, message: "said" }),
    rejects: (reason: unknown) => listeners.get("unhandledrejection")!({ reason }),
  };
}

test("errors before anybody wants them are kept, later ones passed on at once", () => {
  const errors = new Errors();
  const phone = page();
  errors.listen(phone as unknown as Window);
  phone.throws(new TypeError("early"));
  phone.rejects("a word");
  const told: Uncaught[] = [];
  errors.pass((found) => void told.push(found));
  phone.throws(undefined);
  expect(told.map(({ kind, message }) => [kind, message])).toEqual([
    ["TypeError", "early"],
    ["Error", "a word"],
    ["Error", "said"],
  ]);
});

test("a page in a loop of errors tells twenty", () => {
  const errors = new Errors();
  const phone = page();
  errors.listen(phone as unknown as Window);
  const tell = vi.fn();
  errors.pass(tell);
  for (let number = 0; number < 100; number += 1) phone.throws(new Error(`${number}`));
  expect(tell).toHaveBeenCalledTimes(20);
});

test("what is sent is OTLP's JSON: times as strings of nanoseconds, the severity ERROR as 17", () => {
  const error = errorRecord({ kind: "TypeError", message: "boom", stack: "at f (a.js:1:2)", at: 1_785_000_000_000 });
  expect(logsRequest(PLACE, [error])).toEqual({
    resourceLogs: [
      {
        resource: {
          attributes: [
            { key: "service.name", value: { stringValue: "mobile-app" } },
            { key: "service.version", value: { stringValue: "1.0.0-4f53cda18c2b" } },
            { key: "device.id", value: { stringValue: "d1" } },
            { key: "session.id", value: { stringValue: "s1" } },
          ],
        },
        scopeLogs: [
          {
            scope: { name: "app" },
            logRecords: [
              {
                timeUnixNano: "1785000000000000000",
                severityNumber: 17,
                body: { stringValue: "boom" },
                attributes: [
                  { key: "exception.type", value: { stringValue: "TypeError" } },
                  { key: "exception.message", value: { stringValue: "boom" } },
                  { key: "exception.stacktrace", value: { stringValue: "at f (a.js:1:2)" } },
                ],
              },
            ],
          },
        ],
      },
    ],
  });
  expect(vitalRecord("CLS", 0.02, 1).attributes).toContainEqual({ key: "web_vital.value", value: { doubleValue: 0.02 } });
});
