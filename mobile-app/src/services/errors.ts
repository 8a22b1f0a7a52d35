/** Uncaught errors of this page, kept until somebody wants them. */

export interface Uncaught {
  kind: string;
  message: string;
  stack: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** A page in a loop of errors must fill nothing. */
const MOST = 20;

export class Errors {
  #kept: Uncaught[] = [];
  #told = 0;
  #tell: ((found: Uncaught) => void) | undefined;

  listen(page: Pick<Window, "addEventListener">): void {
    page.addEventListener("error", ({ error, message }) => this.#add(error ?? message));
    page.addEventListener("unhandledrejection", ({ reason }) => this.#add(reason));
  }

  /** Tell those that were kept, and from now on each at once. */
  pass(tell: (found: Uncaught) => void): void {
    this.#tell = tell;
    for (const found of this.#kept.splice(0)) tell(found);
  }

  #add(reason: unknown): void {
    if (this.#told >= MOST) return;
    this.#told += 1;
    const error = reason instanceof Error ? reason : undefined;
    const found = { kind: error?.name ?? "Error", message: error?.message ?? String(reason), stack: error?.stack ?? "", at: Date.now() };
    if (this.#tell === undefined) this.#kept.push(found);
    else this.#tell(found);
  }
}

export const errors = new Errors();
