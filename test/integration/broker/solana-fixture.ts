import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { CodedError, Metrics, createLogger, silentLogger, systemClock } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import {
  type BrokerOrder,
  type FinalOrder,
  type WireFill,
  clientOrderId,
  formatDecimal,
  parseDecimal,
} from "@bellwether/trading";
import { Database } from "@bellwether/postgres";
import { address } from "@solana/kit";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { Broker } from "../../../runtimes/broker/src/broker.ts";
import { type BrokerConfig, type BrokerConfigInput, brokerConfig } from "../../../runtimes/broker/src/config.ts";
import type { FailPointName } from "../../../runtimes/broker/src/fail-points.ts";
import { StreamHub } from "../../../runtimes/broker/src/stream-hub.ts";
import { Approver, finalOrderOf } from "../../../runtimes/broker/src/testing/approver.ts";
import { CrashSwitch } from "../../../runtimes/broker/src/testing/crash-switch.ts";
import { ManualMarket } from "../../../runtimes/broker/src/testing/manual-market.ts";
import { openSolana } from "../../../runtimes/broker/src/venues/solana/open-solana.ts";
import type { SolanaVenue } from "../../../runtimes/broker/src/venues/solana/solana-venue.ts";
import { wrappedSol } from "../../venues/solana/swap-market.ts";
import type { SolanaStandIn, StandInOptions } from "../../venues/solana/stand-in.ts";
import { type TestPostgres, rowsOf, startPostgres } from "../order-path/postgres.ts";
import { makeRiskKeys, publishKey } from "./risk-keys.ts";

export const market = "SOL/USDC";
export const startingLamports = 10_000_000_000n;
export const startingUsdc = 1_000_000_000n;
const testLog = process.env["BROKER_TEST_LOG"] ? createLogger({ name: "broker" }) : silentLogger;
/** 150 blocks, the life of a blockhash, pass in a little over six seconds. */
const slotsPerSecond = 25;
const longestSeconds = 300;
type SolanaConfig = NonNullable<BrokerConfigInput["account"]["solana"]>;

/**
 * A wallet, the local chain, a real Postgres and brokers that come and go. Time and slots stand still but for {@link SolanaWorld.pass}: a machine that is busy
 * makes nothing stale, and nobody waits for what can be told to happen.
 */
export class SolanaWorld {
  readonly clock: ManualClock;
  readonly postgres: TestPostgres;
  readonly solana: SolanaStandIn;
  readonly directory = mkdtempSync(join(tmpdir(), "bellwether-solana-"));
  readonly market = new ManualMarket(market);
  readonly approver: Approver;
  readonly wallet;
  readonly config: BrokerConfig;

  private constructor(
    postgres: TestPostgres,
    parts: { clock: ManualClock; solana: SolanaStandIn; change: Partial<SolanaConfig> },
  ) {
    const { clock, solana, change } = parts;
    this.postgres = postgres;
    this.clock = clock;
    this.approver = new Approver(clock);
    this.solana = solana;
    const keys = newKeypair();
    this.wallet = address(keys.address);
    mkdirSync(join(this.directory, "credentials"));
    this.writeKeypair(JSON.stringify(keys.bytes));
    this.config = brokerConfig.parse({
      policy: { uid: "policy-1", name: "demo", namespace: "bellwether" },
      account: { name: "wallet", solana: { ...this.solanaConfig(), ...change } },
      riskSubject: "system:serviceaccount:bellwether:risk",
      issuer: "https://issuer.test",
      dataDirectory: this.directory,
    });
  }

  static async create(
    postgres: TestPostgres,
    { account = {}, chain = {} }: { account?: Partial<SolanaConfig>; chain?: Partial<StandInOptions> } = {},
  ): Promise<SolanaWorld> {
    const { SolanaStandIn } = await import("../../venues/solana/stand-in.ts");
    const clock = new ManualClock();
    const solana = await SolanaStandIn.start({ now: () => clock.nowMs(), ...chain });
    const world = new SolanaWorld(postgres, { clock, solana, change: account });
    await solana.fund(world.wallet, { lamports: startingLamports, usdc: startingUsdc });
    await world.#reset();
    await world.market.close(100);
    return world;
  }

  solanaConfig(): SolanaConfig {
    return {
      rpcUrls: [...this.solana.endpoints.keys()].map((name) => this.solana.rpcUrl(name)),
      genesisHash: this.solana.chain.genesisHash,
      destinations: [this.solana.swaps.maker],
      tokens: [
        { asset: "SOL", mint: wrappedSol, decimals: 9 },
        { asset: "USDC", mint: this.solana.usdc.mint, decimals: 6 },
      ],
      swap: { baseUrl: this.solana.origin },
      market: { replay: { dataset: { synthetic: { seed: 1 } } } },
      credentialsDirectory: join(this.directory, "credentials"),
    };
  }

  get makerUsdc(): string {
    const [account] = this.solana.chain.tokenAccounts(this.solana.swaps.maker);
    return account?.address ?? "";
  }

  writeKeypair(text: string): void {
    writeFileSync(join(this.directory, "credentials", "keypair"), text);
  }

  order(ordinal: number, change: Partial<FinalOrder> = {}): FinalOrder {
    return finalOrderOf(ordinal, { account: "wallet", market, quantity: "1", side: "sell", ...change });
  }

  async start(crashAt?: FailPointName): Promise<RunningSolanaBroker> {
    const failPoints = new CrashSwitch(crashAt);
    const database = new Database({
      dsn: this.postgres.brokerDsn,
      clock: systemClock,
      log: testLog,
      failPoints,
      transactions: "queued",
      applicationName: "solana broker test",
    });
    const changes: { order: BrokerOrder; fills: readonly WireFill[] }[] = [];
    const hub = new (class extends StreamHub {
      override change(change: { order: BrokerOrder; fills: readonly WireFill[] }): void {
        changes.push(change);
      }
    })();
    const { solana } = this.config.account;
    if (!solana) throw new Error("the fixture is for Solana accounts");
    const broker = await Broker.open({
      config: this.config,
      ...(await openSolana({ account: solana, fetch: (url, init) => fetch(url, init), clock: this.clock, log: testLog })),
      feed: this.market,
      database,
      clock: this.clock,
      log: testLog,
      metrics: new Metrics(),
      hub,
      failPoints,
      onFenced: () => undefined,
    });
    await broker.recover();
    broker.heard(true);
    return { broker, venue: broker.venue as SolanaVenue, database, failPoints, changes };
  }

  /** So many seconds, each with its slots, a word from risk, and what a broker does every second. */
  async pass({ broker, failPoints }: RunningSolanaBroker, seconds = 1): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      await this.clock.advance(1_000);
      this.solana.chain.advance(slotsPerSecond);
      broker.heard(true);
      await broker.sweep().catch((error: unknown) => {
        // As in production, where the next sweep tries again.
        if (!(error instanceof CodedError) && !failPoints.crashed) throw error;
      });
    }
  }

  /** Lets time pass until something holds; gives up silently, so that the assertion after it says what is there instead. */
  async until(running: RunningSolanaBroker, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (let second = 0; second < longestSeconds && !(await holds()); second += 1) await this.pass(running);
  }

  /** The process is gone: nothing it still does counts. */
  async end(running: RunningSolanaBroker): Promise<void> {
    running.failPoints.kill();
    await running.broker.close().catch(() => undefined);
    await running.database.close().catch(() => undefined);
  }

  rows(sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return rowsOf(this.postgres.superuserDsn, sql, values);
  }

  /** Invariant 2 for every asset: what the wallet had, changed by fills, their fees and charges, is what it has, to the minor unit. */
  async ledger(): Promise<Record<"SOL" | "USDC", string>> {
    const [sums] = await this.rows(
      `select
         coalesce((select sum(case side when 'buy' then quantity else -quantity end) from broker.fills), 0)::text as base,
         coalesce((select sum(case side when 'buy' then -quantity * price else quantity * price end) from broker.fills), 0)::text as quote,
         coalesce((select sum(fee) from broker.fills), 0)::text as fees,
         coalesce((select sum(amount) from broker.charges where asset = 'SOL'), 0)::text as sol_charges,
         coalesce((select sum(amount) from broker.charges where asset = 'USDC'), 0)::text as usdc_charges`,
    );
    const sum = (...texts: unknown[]): string =>
      formatDecimal(
        texts.reduce((total: bigint, text) => total + parseDecimal(String(text).replace(/(\.\d{18})0+$/, "$1")), 0n) as never,
      );
    const minus = (text: unknown): string => (String(text).startsWith("-") ? String(text).slice(1) : `-${String(text)}`);
    return {
      SOL: sum("10", sums?.["base"], minus(sums?.["fees"]), minus(sums?.["sol_charges"])),
      USDC: sum("1000", sums?.["quote"], minus(sums?.["usdc_charges"])),
    };
  }

  /** As risk sends it: heard from just now, freshly approved. */
  async submit({ broker }: RunningSolanaBroker, order: FinalOrder): Promise<BrokerOrder> {
    broker.heard(true);
    return broker.submit(this.approver.approve(order));
  }

  secondAttempt({ intentId }: FinalOrder): string {
    return clientOrderId(intentId, 2);
  }

  /** How often money of the wallet was moved on the chain as it stands. */
  get landings(): number {
    return this.solana.chain.blocks
      .flatMap(({ transactions }) => transactions)
      .filter(({ wire, err }) => wire.feePayer === this.wallet && err === null).length;
  }

  /** Waits until the venue's finalized balances and the journal's fold say the same, to the last minor unit. */
  async balancesAgree(running: RunningSolanaBroker): Promise<void> {
    const atVenue = async (): Promise<Record<string, string>> =>
      Object.fromEntries((await running.broker.account()).balances.map(({ asset, free }) => [asset, free]));
    const ledger = await this.ledger();
    await this.until(running, async () => isDeepStrictEqual(await atVenue(), ledger));
    expect(await atVenue()).toEqual(ledger);
  }

  async remove(): Promise<void> {
    await this.solana.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #reset(): Promise<void> {
    await this.postgres.reset();
    await makeRiskKeys(this.postgres);
    await publishKey(this.postgres, this.approver, this.config.policy.uid);
  }
}

export interface RunningSolanaBroker {
  readonly broker: Broker;
  readonly venue: SolanaVenue;
  readonly database: Database;
  readonly failPoints: CrashSwitch;
  readonly changes: readonly { order: BrokerOrder; fills: readonly WireFill[] }[];
}

/** One Postgres for a file, and for each test a world of its own in which at most one broker runs. */
export class SolanaBench {
  #postgres: TestPostgres | undefined;
  #world: SolanaWorld | undefined;
  #running: RunningSolanaBroker | undefined;

  /** To be called in a `describe`: registers what has to be done around its tests. */
  constructor() {
    beforeAll(async () => {
      this.#postgres = await startPostgres();
    });
    afterAll(() => this.#postgres?.remove());
    afterEach(async () => {
      if (this.#running) await this.world.end(this.#running);
      this.#running = undefined;
      await this.#world?.remove();
      this.#world = undefined;
    });
  }

  get world(): SolanaWorld {
    if (!this.#world) throw new Error("no world is open");
    return this.#world;
  }

  get running(): RunningSolanaBroker {
    if (!this.#running) throw new Error("no broker runs");
    return this.#running;
  }

  async open(setup?: Parameters<typeof SolanaWorld.create>[1]): Promise<SolanaWorld> {
    if (!this.#postgres) throw new Error("Postgres has not been started");
    return (this.#world = await SolanaWorld.create(this.#postgres, setup));
  }

  async start(...args: Parameters<SolanaWorld["start"]>): Promise<RunningSolanaBroker> {
    return (this.#running = await this.world.start(...args));
  }

  submit(order: FinalOrder): Promise<BrokerOrder> {
    return this.world.submit(this.running, order);
  }

  found(clientOrderId: string): Promise<BrokerOrder> {
    return this.running.broker.find(clientOrderId);
  }

  /** Lets time pass until an order has come to this state. */
  async settled(clientOrderId: string, state: BrokerOrder["state"]): Promise<void> {
    await this.world.until(this.running, async () => (await this.found(clientOrderId)).state === state);
    expect(await this.found(clientOrderId)).toMatchObject({ state });
  }
}

/** As solana-keygen writes one. */
export function newKeypair(): { bytes: number[]; address: string } {
  const pair = generateKeyPairSync("ed25519");
  const secret = pair.privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32);
  const publicKey = pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  return { bytes: [...secret, ...publicKey], address: base58(publicKey) };
}

function base58(bytes: Uint8Array): string {
  const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  let rest = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  let text = "";
  for (; rest > 0n; rest /= 58n) text = alphabet.charAt(Number(rest % 58n)) + text;
  const zeros = bytes.findIndex((byte) => byte !== 0);
  return "1".repeat(Math.max(0, zeros)) + text;
}
