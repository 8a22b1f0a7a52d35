/** Uncaught errors and web vitals, told to the environment's own service as OTLP/JSON. Loaded after the first paint. */
import { onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";

import type { Errors, Uncaught } from "./errors";
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

/** Tells errors from now on, those that were kept before, and web vitals. */
export function start(place: Place, errors: Errors): void {
  errors.pass((found) => void send(place, [errorRecord(found)]));
  const vitals: LogRecord[] = [];
  for (const on of [onCLS, onFCP, onINP, onLCP, onTTFB]) on(({ name, value }) => vitals.push(vitalRecord(name, value)));
  // Some are final only when the page goes; on a phone it may never come back from there.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden" && vitals.length > 0) void send(place, vitals.splice(0));
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
  const resource = {
    "service.name": "mobile-app",
    "service.version": place.bundle,
    "device.id": place.device,
    "session.id": place.session,
  };
  return { resourceLogs: [{ resource: { attributes: listed(resource) }, scopeLogs: [{ scope: { name: "app" }, logRecords }] }] };
}

async function send(place: Place, records: LogRecord[]): Promise<void> {
  try {
    // As plain text it needs no preflight request, whose answer a page that is being closed would not live to see.
    const body = JSON.stringify(logsRequest(place, records));
    await fetch(`${place.api}/ota/v1/logs`, { method: "POST", body, keepalive: true });
  } catch {
    // Tried once: the native layer reports uncaught errors as well.
  }
}

function logRecord(at: number, severityNumber: number, body: string, attributes: Attributes): LogRecord {
  return { timeUnixNano: `${Math.round(at)}000000`, severityNumber, body: { stringValue: body }, attributes: listed(attributes) };
}

function listed(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { doubleValue: value },
  }));
}
