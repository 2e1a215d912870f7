import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database } from "@bellwether/postgres";
import { Metrics, createLogger, silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { type FinalOrder, parseDecimal } from "@bellwether/trading";
import { expect } from "vitest";
import { Broker } from "../../../runtimes/broker/src/broker.ts";
import { type BrokerConfigInput, brokerConfig } from "../../../runtimes/broker/src/config.ts";
import { CcxtFeed } from "../../../runtimes/broker/src/feeds/ccxt/ccxt-feed.ts";
import { StreamHub } from "../../../runtimes/broker/src/stream-hub.ts";
import { Approver, finalOrderOf } from "../../../runtimes/broker/src/testing/approver.ts";
import { type CrashPoint, CrashSwitch } from "../../../runtimes/broker/src/testing/crash-switch.ts";
import { openCcxt } from "../../../runtimes/broker/src/venues/ccxt/open-ccxt.ts";
import { demoKeys, demoMarkets } from "../../venues/exchange/demo.ts";
import { dialectNamed } from "../../venues/exchange/dialects.ts";
import { ExchangeServer, type ExchangeServerOptions } from "../../venues/exchange/server.ts";
import { fileStore } from "../../venues/exchange/store.ts";
import { type TestPostgres, rowsOf } from "../order-path/postgres.ts";
import { makeRiskKeys, publishKey } from "./risk-keys.ts";

const testLog = process.env["BROKER_TEST_LOG"] ? createLogger({ name: "broker" }) : silentLogger;
export const startingBalances = { USDT: "10000", BTC: "1" } as const;
export type DialectName = "binance" | "okx";

export interface RunningLive {
  readonly broker: Broker;
  readonly database: Database;
  readonly failPoints: CrashSwitch;
  readonly stop: AbortController;
}

/** Everything around the broker of an exchange account that survives it: Postgres, the volume, the exchange with its own state, risk's keys. */
export class LiveWorld {
  readonly postgres: TestPostgres;
  readonly directory = mkdtempSync(join(tmpdir(), "bellwether-live-"));
  readonly clock = new ManualClock(1_700_000_070_000);
  readonly venue: ExchangeServer;
  readonly dialect: DialectName;
  approver: Approver;
  url = "";
  #ordinal = 0;

  constructor(postgres: TestPostgres, dialect: DialectName = "binance", change: Partial<ExchangeServerOptions> = {}) {
    this.postgres = postgres;
    this.dialect = dialect;
    this.approver = new Approver(this.clock);
    this.venue = new ExchangeServer({
      now: () => this.clock.nowMs(),
      dialect: dialectNamed(dialect),
      markets: demoMarkets,
      keys: demoKeys,
      balances: { "local-1": startingBalances, "local-2": startingBalances },
      seed: 1,
      feeRate: "0.001",
      makerQuantity: "5",
      store: fileStore(join(this.directory, "exchange.jsonl")),
      ...change,
    });
  }

  async start(): Promise<void> {
    this.url = await this.venue.start();
    await this.postgres.reset();
    await makeRiskKeys(this.postgres);
    await this.publish(this.approver);
  }

  async publish(approver: Approver, policyUid = "policy-1"): Promise<void> {
    await publishKey(this.postgres, approver, policyUid);
    this.approver = approver;
  }

  /** A broker process that has taken the account over; `crashAt` ends it there. */
  async broker(
    options: {
      crashAt?: CrashPoint;
      key?: number;
      policyUid?: string;
      news?: boolean;
      config?: Partial<BrokerConfigInput>;
    } = {},
  ): Promise<RunningLive> {
    const config = this.#config(options);
    const failPoints = new CrashSwitch(options.crashAt);
    const database = new Database({
      dsn: this.postgres.brokerDsn,
      clock: this.clock,
      log: testLog,
      failPoints,
      transactions: "queued",
      applicationName: "broker test",
    });
    const account = config.account.ccxt!;
    const { exchange, openVenue } = await openCcxt({
      account,
      clock: this.clock,
      load: (name) => import(`../../../runtimes/broker/src/feeds/ccxt/exchanges/${name}.ts`),
      ...(options.news === true ? { connect: (url: string) => new WebSocket(url) } : {}),
    });
    const feed = new CcxtFeed({ exchange, markets: config.markets, clock: this.clock, log: testLog });
    const stop = new AbortController();
    try {
      const broker = await Broker.open({
        config,
        feed,
        openVenue,
        database,
        clock: this.clock,
        log: testLog,
        metrics: new Metrics(),
        hub: new StreamHub(),
        failPoints,
        onFenced: () => undefined,
      });
      void broker.runFeed(stop.signal).catch(() => undefined);
      await expect.poll(() => feed.lastPrice("BTC/USDT"), { interval: 10, timeout: 30_000 }).toBeDefined();
      await broker.recover();
      return { broker, database, failPoints, stop };
    } catch (error) {
      stop.abort();
      await database.close();
      throw error;
    }
  }

  /** The process is gone: nothing it still does counts. */
  async end(running: RunningLive): Promise<void> {
    running.failPoints.kill();
    running.stop.abort();
    await this.clock.advance(1);
    await running.broker.close().catch(() => undefined);
    await running.database.close().catch(() => undefined);
  }

  /** A market buy of 0.01 BTC unless changed, each call another intent. */
  order(change: Partial<FinalOrder> = {}): FinalOrder {
    this.#ordinal += 1;
    return finalOrderOf(this.#ordinal, { account: "live", quantity: "0.01", decisionTime: this.clock.nowMs(), ...change });
  }

  /** Sets the price to a round figure, so that a test knows what is paid. */
  price(price: string): void {
    this.venue.exchange.setPrice("BTC/USDT", price);
  }

  rows(sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return rowsOf(this.postgres.superuserDsn, sql, values);
  }

  balances(accountId = "local-1"): Record<string, string> {
    return Object.fromEntries(
      this.venue.exchange
        .balances(accountId)
        .map(({ asset, free, locked }) => [asset, `${free}${locked === "0" ? "" : `+${locked}`}`]),
    );
  }

  /** One order at most for each intent, and per asset start + fills − fees = the venue's balance, exactly. */
  async verify(more: Record<string, string> = {}): Promise<void> {
    expect([...this.venue.exchange.placements.values()].filter((count) => count > 1)).toEqual([]);
    const fills = await this.rows(
      "select split_part(market, '/', 1) as base, split_part(market, '/', 2) as quote, side, quantity::text, price::text, fee::text, fee_asset from broker.fills",
    );
    const expected = new Map<string, bigint>(
      Object.entries({ ...startingBalances, ...more }).map(([asset, text]) => [asset, parseDecimal(text)]),
    );
    const move = (asset: unknown, amount: bigint): void =>
      void expected.set(String(asset), (expected.get(String(asset)) ?? 0n) + amount);
    for (const { base, quote, side, quantity, price, fee, fee_asset } of fills) {
      const sign = side === "buy" ? 1n : -1n;
      const amount = parseDecimal(String(quantity));
      move(base, sign * amount);
      move(quote, (-sign * (amount * parseDecimal(String(price)))) / 10n ** 18n);
      move(fee_asset, 0n - parseDecimal(String(fee)));
    }
    const actual = new Map(
      this.venue.exchange
        .balances("local-1")
        .map(({ asset, free, locked }) => [asset, parseDecimal(free) + parseDecimal(locked)]),
    );
    const present = (amounts: Map<string, bigint>): [string, bigint][] =>
      [...amounts].filter(([, amount]) => amount !== 0n).sort(([a], [b]) => (a < b ? -1 : 1));
    expect(present(actual)).toEqual(present(expected));
  }

  async remove(): Promise<void> {
    await this.venue.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #config({
    key = 0,
    policyUid = "policy-1",
    config = {},
  }: {
    key?: number;
    policyUid?: string;
    config?: Partial<BrokerConfigInput>;
  }) {
    const credentialsDirectory = join(this.directory, `credentials-${key}`);
    mkdirSync(credentialsDirectory, { recursive: true });
    const { apiKey, secret, passphrase = "" } = demoKeys[key]!;
    for (const [name, value] of Object.entries({ apiKey, secret, password: passphrase }))
      writeFileSync(join(credentialsDirectory, name), `${value}\n`);
    return brokerConfig.parse({
      policy: { uid: policyUid, name: "demo", namespace: "bellwether" },
      account: { name: "live", ccxt: { exchange: this.dialect, baseUrl: this.url, credentialsDirectory } },
      markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
      riskSubject: "system:serviceaccount:bellwether:risk",
      issuer: "https://issuer.test",
      dataDirectory: join(this.directory, policyUid),
      ...config,
    });
  }
}
