/** Uncaught errors, web vitals and spans, told to the environment's own service as OTLP/JSON. Loaded after the first paint. */
import { onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";

import type { Errors, Uncaught } from "./errors";
import type { Span, Spans } from "./spans";
import type { Place } from "./started.service";

type Attributes = Record<string, string | number>;

interface LogRecord {
  timeUnixNano: string;
  severityNumber: number;
  body: { stringValue: string };
  attributes: object[];
}

/** OTLP's numbers of the severities INFO and ERROR. */
const INFO = 9;
const ERROR = 17;
const LONGEST_STACK = 4_000;
/** OTLP's number of the kind CLIENT, and of the status ERROR. */
const CLIENT = 3;
const FAILED = 2;
/** Milliseconds from telling what the app asked to telling it again; the rest is told when the page goes. */
const FLUSH_EVERY = 30_000;

/** Tells errors from now on, those that were kept before, web vitals, and what the app asked. */
export function start(place: Place, errors: Errors, spans: Spans): void {
  errors.pass((found) => void sendLogs(place, [errorRecord(found)]));
  spans.pass((found) => void send(place, "traces", spansRequest(place, found)));
  setInterval(() => spans.flush(), FLUSH_EVERY);
  const vitals: LogRecord[] = [];
  for (const on of [onCLS, onFCP, onINP, onLCP, onTTFB]) on(({ name, value }) => vitals.push(vitalRecord(name, value)));
  // Some are final only when the page goes; on a phone it may never come back from there.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "hidden") return;
    if (vitals.length > 0) void sendLogs(place, vitals.splice(0));
    spans.flush();
  });
}

export function errorRecord({ kind, message, stack, at }: Uncaught): LogRecord {
  const attributes = { "exception.type": kind, "exception.message": message, "exception.stacktrace": stack.slice(0, LONGEST_STACK) };
  return logRecord(at, ERROR, message, attributes);
}

export function vitalRecord(name: string, value: number, at = Date.now()): LogRecord {
  return logRecord(at, INFO, "web vital", { "web_vital.name": name, "web_vital.value": value });
}

/** What OTLP calls an ExportLogsServiceRequest. */
export function logsRequest(place: Place, logRecords: LogRecord[]): object {
  return { resourceLogs: [{ resource: resource(place), scopeLogs: [{ scope: { name: "app" }, logRecords }] }] };
}

/** What OTLP calls an ExportTraceServiceRequest. */
export function spansRequest(place: Place, found: Span[]): object {
  const spans = found.map(({ trace, id, name, began, ended, status }) => ({
    traceId: trace,
    spanId: id,
    name,
    kind: CLIENT,
    startTimeUnixNano: nanoseconds(began),
    endTimeUnixNano: nanoseconds(ended),
    attributes: status === undefined ? [] : [{ key: "http.response.status_code", value: { intValue: `${status}` } }],
    status: status === undefined || status >= 400 ? { code: FAILED } : {},
  }));
  return { resourceSpans: [{ resource: resource(place), scopeSpans: [{ scope: { name: "app" }, spans }] }] };
}

function resource(place: Place): object {
  return {
    attributes: listed({
      "service.name": "mobile-app",
      "service.version": place.bundle,
      "device.id": place.device,
      "session.id": place.session,
    }),
  };
}

async function sendLogs(place: Place, records: LogRecord[]): Promise<void> {
  await send(place, "logs", logsRequest(place, records));
}

async function send(place: Place, what: "logs" | "traces", request: object): Promise<void> {
  try {
    // As plain text it needs no preflight request, whose answer a page that is being closed would not live to see.
    await fetch(`${place.api}/ota/v1/${what}`, { method: "POST", body: JSON.stringify(request), keepalive: true });
  } catch {
    // Tried once: the native layer reports uncaught errors as well.
  }
}

function logRecord(at: number, severityNumber: number, body: string, attributes: Attributes): LogRecord {
  return { timeUnixNano: nanoseconds(at), severityNumber, body: { stringValue: body }, attributes: listed(attributes) };
}

/** As OTLP/JSON has a moment: nanoseconds since 1970, as text. */
function nanoseconds(milliseconds: number): string {
  return `${Math.round(milliseconds)}000000`;
}

function listed(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { doubleValue: value },
  }));
}
