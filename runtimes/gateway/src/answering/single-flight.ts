import { type CodedError, hasCode } from "@bellwether/service-kit";

/** What one request found out for all that asked the same while it was under way. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  get size(): number {
    return this.#flights.size;
  }

  /** The flight of the same question that is under way, if any. */
  joined(key: string): Promise<T> | undefined {
    return this.#flights.get(key);
  }

  /** Announces a flight; exactly one of the two ends it. Followers of one whose own caller went away start anew. */
  begin(key: string): { land(value: T): void; crash(error: unknown): void } {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    // Nobody may have joined: then its error has been told to its own caller alone.
    promise.catch(() => undefined);
    this.#flights.set(key, promise);
    const end = (): void => {
      if (this.#flights.get(key) === promise) this.#flights.delete(key);
    };
    return {
      land: (value) => {
        end();
        resolve(value);
      },
      crash: (error) => {
        end();
        reject(error);
      },
    };
  }
}

/** The leader's caller hung up: that is no answer to those who wait. */
export function isAbandoned(error: unknown): error is CodedError {
  return hasCode(error, "CALLER_GONE");
}
