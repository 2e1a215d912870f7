import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Metrics, createLogger, silentLogger, systemClock } from "@bellwether/service-kit";
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
import { expect } from "vitest";
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
import { type TestPostgres, rowsOf } from "../order-path/postgres.ts";
import { makeRiskKeys, publishKey } from "./risk-keys.ts";

export const market = "SOL/USDC";
export const startingLamports = 10_000_000_000n;
export const startingUsdc = 1_000_000_000n;
const testLog = process.env["BROKER_TEST_LOG"] ? createLogger({ name: "broker" }) : silentLogger;
type SolanaConfig = NonNullable<BrokerConfigInput["account"]["solana"]>;

/** A wallet, the local chain, a real Postgres and brokers that come and go. Slots pass quickly: 150 blocks in six seconds. */
export class SolanaWorld {
  readonly postgres: TestPostgres;
  readonly solana: SolanaStandIn;
  readonly directory = mkdtempSync(join(tmpdir(), "bellwether-solana-"));
  readonly market = new ManualMarket(market);
  readonly approver = new Approver(systemClock);
  readonly wallet;
  readonly config: BrokerConfig;

  private constructor(postgres: TestPostgres, solana: SolanaStandIn, change: Partial<SolanaConfig>) {
    this.postgres = postgres;
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
    const solana = await SolanaStandIn.start({ now: () => Date.now(), ...chain });
    const world = new SolanaWorld(postgres, solana, account);
    await solana.fund(world.wallet, { lamports: startingLamports, usdc: startingUsdc });
    await world.#reset();
    await world.market.close(100);
    solana.run(40);
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
    const ended = new AbortController();
    const broker = await Broker.open({
      config: this.config,
      openVenue: await openSolana(solana, (url, init) => fetch(url, init)),
      feed: this.market,
      database,
      clock: systemClock,
      log: testLog,
      metrics: new Metrics(),
      hub,
      failPoints,
      onFenced: () => undefined,
    });
    await broker.start(ended.signal);
    broker.heard(true);
    return { broker, venue: broker.venue as SolanaVenue, database, failPoints, changes, ended };
  }

  /** The process is gone: nothing it still does counts. */
  async end(running: RunningSolanaBroker): Promise<void> {
    running.failPoints.kill();
    running.ended.abort();
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
  async balancesAgree(broker: Broker): Promise<void> {
    const atVenue = async (): Promise<Record<string, string>> =>
      Object.fromEntries((await broker.account()).balances.map(({ asset, free }) => [asset, free]));
    await expect.poll(atVenue, { interval: 50, timeout: 30_000 }).toEqual(await this.ledger());
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
  readonly ended: AbortController;
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
