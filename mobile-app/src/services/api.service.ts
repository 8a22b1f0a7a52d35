import type { ApiClient, Flight, Outlook, Places, Prediction } from "../../config/api.client";
import { problemOf, silenceOf, type Problem } from "../rules/problem";

export type Reply<Value> = { ok: true; value: Value } | { ok: false; problem: Problem };

/** Milliseconds; longer than the backend takes at its worst and a phone's radio takes to wake. */
const PATIENCE = 20_000;

/** The backend's operations. No call throws: what went wrong is in the reply. */
export class ApiService {
  /** Operations that this backend does not have: it is not asked for them again before the app's next start. */
  readonly #missing = new Set<string>();

  constructor(
    private readonly client: ApiClient,
    private readonly patience = PATIENCE,
  ) {}

  predict(flight: Flight, key: string): Promise<Reply<Prediction>> {
    return this.#reply((signal) =>
      this.client.POST("/api/predict", { body: flight, params: { header: { "Idempotency-Key": key } }, signal }),
    );
  }

  places(): Promise<Reply<Places>> {
    return this.#optional("places", (signal) => this.client.GET("/api/places", { signal }));
  }

  /** The flight at every hour of its day. */
  outlook({ origin, destination, carrier, departure }: Flight): Promise<Reply<Outlook>> {
    const query = { origin, destination, carrier, departure };
    return this.#optional("outlook", (signal) => this.client.GET("/api/outlook", { params: { query }, signal }));
  }

  /** Whether the flight of an earlier answer was late. The same word twice is one label. */
  tellOutcome(id: string, late: boolean): Promise<Reply<unknown>> {
    return this.#reply((signal) =>
      this.client.POST("/api/predictions/{id}/outcome", { params: { path: { id } }, body: { late }, signal }),
    );
  }

  async #optional<Value>(name: string, call: Call<Value>): Promise<Reply<Value>> {
    if (this.#missing.has(name)) return { ok: false, problem: { kind: "missing" } };
    const reply = await this.#reply(call);
    if (!reply.ok && reply.problem.kind === "missing") this.#missing.add(name);
    return reply;
  }

  async #reply<Value>(call: Call<Value>): Promise<Reply<Value>> {
    try {
      const { data, error, response } = await call(AbortSignal.timeout(this.patience));
      if (response.ok && data !== undefined) return { ok: true, value: data };
      return { ok: false, problem: problemOf(response, error, Date.now()) };
    } catch (reason) {
      return { ok: false, problem: silenceOf(reason) };
    }
  }
}

type Call<Value> = (signal: AbortSignal) => Promise<{ data?: Value; error?: unknown; response: Response }>;
