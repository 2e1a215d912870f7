import { type Clock, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import { type Decimal, type WireBar, decimalFromNumber } from "@bellwether/trading";
import type { Address } from "@solana/kit";
import type { ReferenceReading, ReferenceSource } from "../../references/reference-source.ts";
import { type PythAccount, type PythLimits, judgePythPrice, parsePythAccount, sayPythVerdict } from "./pyth-price.ts";
import type { RpcPool } from "./rpc-pool.ts";
import type { AccountData } from "./wallet-state.ts";

export interface PythReferenceOptions {
  /** Where each market's price stands. */
  readonly accounts: ReadonlyMap<string, Address>;
  readonly limits: PythLimits;
  readonly pool: Pick<RpcPool, "read">;
  readonly clock: Clock;
  readonly log: Logger;
}

interface OwnPrice {
  readonly price: Decimal;
  readonly atMs: number;
}

const lookEveryMs = 5_000;
/** Without an answer of the sources for this long, nothing is known of any price. */
const lookForgottenMs = 30_000;

/**
 * Prices of an oracle on chain, through the wallet's own RPC sources. Each close of the account's own market is compared with the oracle's price at the first look
 * after it, five seconds later at most, and stays compared with that until the next close: a price of now says nothing of a close that is nearly a minute old.
 */
export class PythReference implements ReferenceSource {
  readonly #options: PythReferenceOptions;
  readonly #own = new Map<string, OwnPrice>();
  readonly #told = new Map<string, PythAccount>();
  readonly #pairs = new Map<string, { readonly own: OwnPrice; readonly price: Decimal }>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #problem = "its account has not been read yet";

  constructor(options: PythReferenceOptions) {
    this.#options = options;
  }

  onOwnBar(market: string, bar: WireBar): void {
    const { accounts, clock } = this.#options;
    if (accounts.has(market)) this.#own.set(market, { price: decimalFromNumber(bar.close), atMs: clock.nowMs() });
  }

  read(): readonly ReferenceReading[] {
    return [...this.#options.accounts.keys()].map((market) => this.#readMarket(market));
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await this.#options.clock.sleep(lookEveryMs, signal).catch(() => undefined);
    }
  }

  /** Reads all accounts once. */
  async look(): Promise<void> {
    const { accounts, pool, clock, log } = this.#options;
    let states: ReadonlyMap<Address, AccountData | undefined>;
    try {
      states = await pool.read((source) => source.accounts([...new Set(accounts.values())], "confirmed"));
    } catch (error) {
      if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
      this.#problem = messageOf(error);
      log.debug({ err: error }, "the oracle's accounts could not be read");
      return;
    }
    this.#lookedAtMs = clock.nowMs();
    for (const [market, account] of accounts) {
      this.#told.set(market, parsePythAccount(states.get(account)));
      this.#compare(market);
    }
  }

  #compare(market: string): void {
    const own = this.#own.get(market);
    const now = this.#usable(market);
    if (own && "price" in now && this.#pairs.get(market)?.own !== own) this.#pairs.set(market, { own, price: now.price });
  }

  #readMarket(market: string): ReferenceReading {
    const now = this.#usable(market);
    if ("fault" in now) return { market, known: false, reason: now.fault };
    const pair = this.#pairs.get(market);
    if (!pair) return { market, known: false, reason: "the account's own market has closed no minute since the oracle was read" };
    return { market, known: true, price: pair.price, own: pair.own.price };
  }

  /** The oracle's price as it may be used at this moment. */
  #usable(market: string): { readonly price: Decimal } | { readonly fault: string } {
    const { accounts, clock, limits } = this.#options;
    const told = this.#told.get(market);
    const nowMs = clock.nowMs();
    if (!told || nowMs - this.#lookedAtMs > lookForgottenMs) return { fault: `Pyth: ${this.#problem}` };
    const account = accounts.get(market) ?? "";
    if (!told.readable) return { fault: `Pyth account ${account}: ${told.message}` };
    const verdict = judgePythPrice(told.price, nowMs, limits);
    return verdict.usable ? { price: verdict.price } : { fault: `Pyth account ${account}: ${sayPythVerdict(verdict)}` };
  }
}
