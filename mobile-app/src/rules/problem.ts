/** Why a request has no answer that can be shown; plain data, as it is stored with its question. */
export type Problem =
  | { kind: "offline" }
  | { kind: "unreachable" }
  | { kind: "slow" }
  /** Something answered that is not Ontime, such as the sign-in page of a Wi-Fi. */
  | { kind: "stranger" }
  | { kind: "busy"; retryAt: number; requestId?: string }
  | { kind: "refused"; message: string; fields: WrongField[]; requestId?: string }
  | { kind: "missing"; requestId?: string }
  | { kind: "broken"; status: number; requestId?: string };

/** A field of the request that the backend takes no such value for. */
export interface WrongField {
  path: string;
  allowed: string;
}

const UNKNOWN_PAUSE = 5_000;
const LONGEST_PAUSE = 3_600_000;

/** Whether the same request may go well a little later, without anybody changing it. */
export function passes(problem: Problem): boolean {
  return ["offline", "unreachable", "slow", "stranger", "busy"].includes(problem.kind);
}

/** What an answer that is no success means. `body` is its decoded JSON, or whatever else came. */
export function problemOf(response: Response, body: unknown, now: number): Problem {
  const requestId = response.headers.get("x-request-id") ?? undefined;
  const fault = faultIn(body);
  switch (response.status) {
    case 429:
    case 503:
      return { kind: "busy", retryAt: now + pauseOf(response.headers.get("retry-after"), now), requestId };
    case 408:
    case 504:
      return { kind: "slow" };
    case 404:
      return { kind: "missing", requestId };
    case 400:
    case 403:
    case 409:
    case 413:
    case 422:
      return { kind: "refused", message: fault.message, fields: fault.fields, requestId };
    default:
      return { kind: "broken", status: response.status, requestId };
  }
}

/** Retry-After in milliseconds: seconds or a date, bounded, as a wrong header must not park a question for ever. */
export function pauseOf(header: string | null, now: number): number {
  if (header === null || header.trim() === "") return UNKNOWN_PAUSE;
  const pause = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(pause) ? UNKNOWN_PAUSE : Math.min(LONGEST_PAUSE, Math.max(0, pause));
}

/** What went wrong where no answer came at all. */
export function silenceOf(reason: unknown): Problem {
  const name = reason instanceof Error ? reason.name : "";
  if (name === "TimeoutError" || name === "AbortError") return { kind: "slow" };
  return name === "SyntaxError" ? { kind: "stranger" } : { kind: "unreachable" };
}

function faultIn(body: unknown): { message: string; fields: WrongField[] } {
  const error = (body as { error?: { message?: unknown; details?: unknown } } | undefined)?.error;
  const details = Array.isArray(error?.details) ? (error.details as Partial<WrongField>[]) : [];
  return {
    message: typeof error?.message === "string" ? error.message : "",
    fields: details.map((detail) => ({ path: String(detail.path), allowed: String(detail.allowed) })),
  };
}
