/** What the app asked its backend and how long that took: spans of W3C traces, kept until somebody wants them. */
import type { Middleware } from "openapi-fetch";

/** A request, as OpenTelemetry has it. */
export interface Span {
  trace: string;
  id: string;
  /** Method and path template, such as `POST /api/predict`. */
  name: string;
  /** Milliseconds since 1970. */
  began: number;
  ended: number;
  /** Of the answer; undefined where none came. */
  status: number | undefined;
}

/** The share of the app's starts whose requests are told. Every request names its trace all the same. */
const SAMPLED = 0.1;
/** Kept at most: without a network, or without anybody who wants them, the oldest go. */
const MOST = 50;

export class Spans {
  #kept: Span[] = [];
  #tell: ((found: Span[]) => void) | undefined;
  readonly #sampled: boolean;

  constructor(
    random: () => number = Math.random,
    private readonly clock: () => number = Date.now,
  ) {
    this.#sampled = random() < SAMPLED;
  }

  /** Names the trace of each request of a client, so that the backend's log has the same one. */
  middleware(): Middleware {
    const open = new Map<string, Span>();
    const end = (id: string, status?: number) => {
      const span = open.get(id);
      open.delete(id);
      if (span !== undefined) this.#keep({ ...span, ended: this.clock(), status });
    };
    return {
      onRequest: ({ request, schemaPath, id }) => {
        const span = { trace: hex(16), id: hex(8), name: `${request.method} ${schemaPath}`, began: this.clock() };
        if (this.#sampled) open.set(id, { ...span, ended: 0, status: undefined });
        request.headers.set("traceparent", `00-${span.trace}-${span.id}-${this.#sampled ? "01" : "00"}`);
      },
      onResponse: ({ id, response }) => end(id, response.status),
      onError: ({ id }) => end(id),
    };
  }

  /** From now on tell them, so many at a time. */
  pass(tell: (found: Span[]) => void): void {
    this.#tell = tell;
  }

  /** Tell those that are kept now. */
  flush(): void {
    if (this.#tell !== undefined && this.#kept.length > 0) this.#tell(this.#kept.splice(0));
  }

  #keep(span: Span): void {
    this.#kept.push(span);
    if (this.#kept.length > MOST) this.#kept.shift();
  }
}

/** So many random bytes, as hexadecimal digits. */
function hex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const spans = new Spans();
