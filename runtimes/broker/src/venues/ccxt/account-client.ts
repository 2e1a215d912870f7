import { type Clock, CodedError, messageOf } from "@bellwether/service-kit";
import type { BrokerErrorCode } from "../../errors.ts";
import type { CcxtExchange } from "../../feeds/ccxt/client.ts";
import { VenueAnswer, withoutQuery } from "../../feeds/ccxt/venue-answer.ts";
import { type Ask, type ExchangeDialect, splitParameters } from "./dialects/dialect.ts";
import { Held, RateLimiter } from "./rate-limiter.ts";

/**
 * ccxt's client of an account, with one limiter for all its requests (those for candles included), and answers that are told apart by status and
 * the venue's own code, not by the names ccxt gives them.
 */
export class AccountClient {
  readonly limiter: RateLimiter;
  readonly #client: CcxtExchange;
  readonly #clock: Clock;
  /** Venue's clock minus ours. */
  offsetMs = 0;
  #urgent = false;
  #signedAtMs: number | undefined;
  #answeredAtMs: number | undefined;

  constructor(client: CcxtExchange, dialect: ExchangeDialect, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.limiter = new RateLimiter({ clock, ...dialect.rate });
    // ccxt asks for its turn synchronously, within the call of the implicit method.
    client.throttle = (cost = 1) => this.limiter.take(cost, this.#urgent);
    // Signed reads carry the venue's time, too; ccxt would take the machine's.
    client.milliseconds = () => this.#signedAtMs ?? clock.nowMs() + this.offsetMs;
    const sign = client.sign.bind(client);
    client.sign = (...request) => {
      const { rest, headers, signedAtMs } = splitParameters(request[3] ?? {});
      // ccxt reads the time within the call.
      this.#signedAtMs = signedAtMs;
      try {
        const signed = sign(...request.with(3, rest));
        return { ...signed, headers: { ...signed.headers, ...headers } };
      } finally {
        this.#signedAtMs = undefined;
      }
    };
    client.handleErrors = (...answer) => {
      this.#judge(answer, dialect);
      return undefined;
    };
  }

  /** Wall time of the last answer of any kind. */
  get answeredAtMs(): number | undefined {
    return this.#answeredAtMs;
  }

  /** @throws CodedError VENUE_UNREACHABLE (`held` in its context: nothing was sent); VenueAnswer: the venue's own refusal */
  readonly ask: Ask = async (method, parameters, { urgent = false } = {}) => {
    const implicit = this.#client[method];
    if (typeof implicit !== "function") throw new CodedError<BrokerErrorCode>("INVARIANT_BROKEN", `ccxt has no method ${method}`);
    let pending: Promise<unknown>;
    this.#urgent = urgent;
    try {
      pending = (implicit as (values: object) => Promise<unknown>).call(this.#client, parameters);
    } finally {
      this.#urgent = false;
    }
    try {
      return await pending;
    } catch (error) {
      if (error instanceof VenueAnswer && error.status < 500 && error.status >= 400 && error.code !== "" && !limits(error))
        throw error;
      if (error instanceof VenueAnswer && error.status === 200 && error.code !== "") throw error;
      throw this.#unreachable(error);
    }
  };

  #unreachable(cause: unknown): CodedError<BrokerErrorCode> {
    const held = cause instanceof Held;
    const limited = held || (cause instanceof VenueAnswer && limits(cause));
    const message = withoutQuery(messageOf(cause)).slice(0, 300);
    return new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", message, { cause, context: { held, limited } });
  }

  #judge([status, , , , headers, , body]: readonly unknown[], dialect: ExchangeDialect): void {
    const answer = { status: Number(status), retryAfterMs: retryAfterMs(headers) };
    const parsed = typeof body === "object" && body !== null ? body : undefined;
    if (answer.status < 400) {
      const refused = parsed ? dialect.refusalIn(parsed) : { code: "", message: "the answer is no JSON" };
      if (refused) throw new VenueAnswer({ ...answer, ...refused });
      this.#answeredAtMs = this.#clock.nowMs();
      return;
    }
    const { code, msg, message } = (parsed ?? {}) as { code?: unknown; msg?: unknown; message?: unknown };
    const refused = (parsed && dialect.refusalIn(parsed)) ?? { code: textOf(code), message: textOf(msg ?? message) };
    const fault = new VenueAnswer({ ...answer, ...refused });
    if (limits(fault)) this.limiter.pause(fault.retryAfterMs);
    // A refusal is an answer, too: somebody is there.
    if (fault.code !== "") this.#answeredAtMs = this.#clock.nowMs();
    throw fault;
  }
}

const limits = ({ status }: VenueAnswer): boolean => status === 418 || status === 429;

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function retryAfterMs(headers: unknown): number | undefined {
  if (typeof headers !== "object" || headers === null) return undefined;
  const found = Object.entries(headers).find(([name]) => name.toLowerCase() === "retry-after")?.[1] as unknown;
  const seconds = Number(found);
  return found !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}
