import type { Clock, Random } from "@bellwether/service-kit";
import type { ExchangeModel } from "./exchange-model.ts";
import type { SimProcess } from "./sim-process.ts";

export const exchangeFaults = [
  /** The request is on its way for longer than its sender waits: it may arrive within its window, or after it. */
  "request-late",
  "reply-lost",
  /** The answer comes after its sender has given up. */
  "reply-late",
  "5xx-after-accept",
  /** RST, before or after the exchange has taken the request. */
  "reset",
  "duplicate-fill",
  "reordered-fills",
  "rate-limit",
  /** HTTP 418. */
  "ban",
  "clock-skew",
  "venue-restart",
  "cancel-lost",
  "cancel-reply-lost",
] as const;
export type ExchangeFault = (typeof exchangeFaults)[number];

export type RequestKind =
  | "place"
  | "cancel"
  | "find"
  | "trades"
  | "since"
  | "open"
  | "balances"
  | "time"
  /** Legs: placed, taken back, asked about; and the price that they are judged by. */
  | "protect"
  | "release"
  | "legs"
  | "price";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object | undefined;
}

export interface WireOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly exchange: ExchangeModel;
  /** The fault this request is to meet, once. */
  readonly takeFault: (kind: RequestKind, rows: number) => ExchangeFault | undefined;
}

const ok = (body: object | undefined): HttpAnswer => ({ status: 200, headers: {}, body });
const limited = (status: 418 | 429, seconds: number): HttpAnswer => ({
  status,
  headers: { "retry-after": String(seconds) },
  body: { code: -1003, msg: "too many requests" },
});

/** The way to the exchange and back, with what goes wrong on it. */
export class ExchangeWire {
  readonly #options: WireOptions;
  #downUntilMs = 0;
  /** Requests that their senders have given up and that will still arrive. */
  late = 0;

  constructor(options: WireOptions) {
    this.#options = options;
  }

  /** One request; `execute` happens at the exchange. Rejects when no answer comes. */
  send(process: SimProcess, kind: RequestKind, execute: () => HttpAnswer): Promise<HttpAnswer> {
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const tell = (delayMs: number, settled: () => void): void => {
        clock.setTimeout(() => {
          if (!process.dead) settled();
        }, delayMs);
      };
      const lost = (delayMs: number, why: string): void => tell(delayMs, () => reject(new Error(why)));
      clock.setTimeout(() => {
        if (clock.nowMs() < this.#downUntilMs) return lost(1, "ECONNREFUSED");
        const rowsAtHand = kind === "trades" ? rowsOf(execute()) : 0;
        const fault = this.#options.takeFault(kind, rowsAtHand);
        if (!fault) return tell(this.#latencyMs(), answerWith(execute, resolve));
        this.#meet(fault, execute, { tell, lost, resolve });
      }, this.#latencyMs());
    });
  }

  #meet(
    fault: ExchangeFault,
    execute: () => HttpAnswer,
    {
      tell,
      lost,
      resolve,
    }: {
      tell: (delayMs: number, settled: () => void) => void;
      lost: (delayMs: number, why: string) => void;
      resolve: (answer: HttpAnswer) => void;
    },
  ): void {
    const { clock, random, exchange } = this.#options;
    switch (fault) {
      case "request-late":
        this.late += 1;
        clock.setTimeout(
          () => {
            this.late -= 1;
            execute();
          },
          300 + random.next() * 9_000,
        );
        return lost(200, "timed out");
      case "reply-lost":
      case "cancel-reply-lost":
        execute();
        return lost(500 + random.next() * 2_000, "timed out");
      case "cancel-lost":
        return lost(500, "timed out");
      case "reply-late": {
        const answer = execute();
        return tell(5_200 + random.next() * 3_000, () => resolve(answer));
      }
      case "5xx-after-accept":
        execute();
        return tell(this.#latencyMs(), () => resolve({ status: 502, headers: {}, body: undefined }));
      case "reset":
        if (random.next() < 0.5) execute();
        return lost(1, "ECONNRESET");
      case "rate-limit":
        return tell(this.#latencyMs(), () => resolve(limited(429, 1)));
      case "ban":
        return tell(this.#latencyMs(), () => resolve(limited(418, 3)));
      case "clock-skew":
        // A jump that nobody measures until the next minute: within the margin for clocks.
        exchange.settings.clockOffsetMs += Math.round((random.next() - 0.5) * 1_800);
        return tell(this.#latencyMs(), answerWith(execute, resolve));
      case "venue-restart":
        if (random.next() < 0.5) execute();
        this.#downUntilMs = clock.nowMs() + 800 + random.next() * 2_500;
        return lost(1, "ECONNRESET");
      case "duplicate-fill":
        return tell(this.#latencyMs(), () => resolve(changedRows(execute(), (rows) => [...rows, ...rows])));
      case "reordered-fills":
        return tell(this.#latencyMs(), () => resolve(changedRows(execute(), (rows) => rows.toReversed())));
    }
  }

  #latencyMs(): number {
    return 2 + this.#options.random.next() * 15;
  }
}

function answerWith(execute: () => HttpAnswer, resolve: (answer: HttpAnswer) => void): () => void {
  // At the exchange it happens when the request arrives, not when the answer does.
  const answer = execute();
  return () => resolve(answer);
}

function rowsOf({ body }: HttpAnswer): number {
  return Array.isArray(body) ? body.length : 0;
}

function changedRows(answer: HttpAnswer, change: (rows: readonly unknown[]) => readonly unknown[]): HttpAnswer {
  return Array.isArray(answer.body) ? ok([...change(answer.body)]) : answer;
}
