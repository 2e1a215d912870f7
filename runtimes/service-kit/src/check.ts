/** The state of one dependency, as /health/detailed shows it. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** A sentence for the person on call. */
  readonly message: string;
  /** Wall time since which it is so. */
  readonly sinceMs: number;
  readonly latencyMs?: number;
}

/** Keeps one dependency's state and since when it holds. */
export class Dependency {
  readonly #name: string;
  readonly #nowMs: () => number;
  #ok: boolean;
  #message: string;
  #sinceMs: number;
  #latencyMs: number | undefined;

  constructor(name: string, nowMs: () => number, initialMessage = "not contacted yet") {
    this.#name = name;
    this.#nowMs = nowMs;
    this.#ok = false;
    this.#message = initialMessage;
    this.#sinceMs = nowMs();
  }

  get ok(): boolean {
    return this.#ok;
  }

  get message(): string {
    return this.#message;
  }

  up(message = "answers", latencyMs?: number): void {
    this.#set(true, message, latencyMs);
  }

  down(message: string): void {
    this.#set(false, message, undefined);
  }

  check(): Check {
    const state = { name: this.#name, ok: this.#ok, message: this.#message, sinceMs: this.#sinceMs };
    return this.#latencyMs === undefined ? state : { ...state, latencyMs: this.#latencyMs };
  }

  #set(ok: boolean, message: string, latencyMs: number | undefined): void {
    if (ok !== this.#ok) this.#sinceMs = this.#nowMs();
    this.#ok = ok;
    this.#message = message;
    this.#latencyMs = latencyMs;
  }
}
