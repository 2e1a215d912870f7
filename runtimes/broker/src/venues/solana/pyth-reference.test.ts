import { CodedError, silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { parseDecimal } from "@bellwether/trading";
import { beforeEach, describe, expect, test } from "vitest";
import { encodePriceAccount, pythOracleProgram } from "../../testing/pyth-accounts.ts";
import { wrappedSolMint } from "./program-addresses.ts";
import { PythReference } from "./pyth-reference.ts";
import type { RpcSource } from "./rpc-source.ts";
import type { AccountStates } from "./wallet-state.ts";

const market = "SOL/USDC";
const account = wrappedSolMint;

describe("an oracle on chain as a reference", () => {
  let clock: ManualClock;
  let reference: PythReference;
  let states: AccountStates | undefined;

  /** Sources that all tell the same, or are all away. */
  const pool = {
    async read<T>(call: (source: RpcSource) => Promise<T>): Promise<T> {
      if (!states) throw new CodedError("VENUE_UNREACHABLE", "no RPC source can be believed");
      const told = states;
      return call({ accounts: async () => told } as unknown as RpcSource);
    },
  };
  const publish = (price: bigint, change: { confidence?: bigint; status?: number } = {}): void => {
    const data = encodePriceAccount({ price: price * 100_000_000n, publishedAtMs: clock.nowMs(), ...change });
    states = new Map([[account, { owner: pythOracleProgram, lamports: 1n, data }]]);
  };
  const ownBar = (close: number): void =>
    reference.onOwnBar(market, { time: 0, open: close, high: close, low: close, close, volume: 1 });
  const known = (price: string, own: string) => [{ market, known: true, price: parseDecimal(price), own: parseDecimal(own) }];
  const unknown = (reason: string) => [{ market, known: false, reason: expect.stringContaining(reason) as string }];

  beforeEach(() => {
    clock = new ManualClock();
    states = undefined;
    const limits = { maxAgeMs: 60_000, maxConfidenceRatio: parseDecimal("0.01") };
    reference = new PythReference({ accounts: new Map([[market, account]]), limits, pool, clock, log: silentLogger });
  });

  test("each own close is compared with the first price read after it, and stays so until the next", async () => {
    publish(101n);
    ownBar(100);
    await reference.look();
    expect(reference.read()).toEqual(known("101", "100"));
    publish(120n);
    await reference.look();
    expect(reference.read()).toEqual(known("101", "100"));
    ownBar(119);
    await reference.look();
    expect(reference.read()).toEqual(known("120", "119"));
  });

  test("a market with no account is not compared, and one without a close of its own says so", async () => {
    publish(101n);
    reference.onOwnBar("BTC/USDC", { time: 0, open: 1, high: 1, low: 1, close: 1, volume: 1 });
    await reference.look();
    expect(reference.read()).toEqual(unknown("closed no minute"));
  });

  test.each([
    { when: "grows old", then: async () => clock.advance(25_000), change: { maxAgeMs: 20_000 }, says: "25 s old" },
    { when: "is not sure any more", then: async () => publish(101n, { confidence: 200_000_000n }), says: "only sure to 2" },
    { when: "does not trade any more", then: async () => publish(101n, { status: 2 }), says: "halted" },
    { when: "is gone", then: async () => void (states = new Map()), says: "no such account" },
  ])("a price that $when is none, and says why", async ({ then, change, says }) => {
    const limits = { maxAgeMs: 60_000, maxConfidenceRatio: parseDecimal("0.01"), ...change };
    reference = new PythReference({ accounts: new Map([[market, account]]), limits, pool, clock, log: silentLogger });
    publish(101n);
    ownBar(100);
    await reference.look();
    expect(reference.read()).toEqual(known("101", "100"));
    await then();
    await reference.look();
    expect(reference.read()).toEqual(unknown(says));
    expect(reference.read()).toEqual(unknown(account));
  });

  test("sources that do not answer are borne for half a minute", async () => {
    publish(101n);
    ownBar(100);
    await reference.look();
    states = undefined;
    await clock.advance(30_000);
    await reference.look();
    expect(reference.read()).toEqual(known("101", "100"));
    await clock.advance(1);
    expect(reference.read()).toEqual(unknown("no RPC source can be believed"));
  });

  test("it looks every five seconds until it is told to stop", async () => {
    publish(101n);
    const stop = new AbortController();
    const running = reference.run(stop.signal);
    await clock.advance(0);
    ownBar(100);
    await clock.advance(5_000);
    expect(reference.read()).toEqual(known("101", "100"));
    stop.abort();
    await running;
  });
});
