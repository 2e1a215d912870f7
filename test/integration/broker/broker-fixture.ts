import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database } from "@bellwether/postgres";
import { Metrics, createLogger, silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import type { BrokerOrder, WireFill } from "@bellwether/trading";
import { Broker } from "../../../runtimes/broker/src/broker.ts";
import { type BrokerConfigInput, brokerConfig } from "../../../runtimes/broker/src/config.ts";
import type { FailPointName } from "../../../runtimes/broker/src/fail-points.ts";
import { StreamHub } from "../../../runtimes/broker/src/stream-hub.ts";
import { Approver } from "../../../runtimes/broker/src/testing/approver.ts";
import { CrashSwitch } from "../../../runtimes/broker/src/testing/crash-switch.ts";
import { FaultyLine } from "../../../runtimes/broker/src/testing/faulty-line.ts";
import { ManualMarket } from "../../../runtimes/broker/src/testing/manual-market.ts";
import { openPaper } from "../../../runtimes/broker/src/venues/paper/open-paper.ts";
import { type TestPostgres, rowsOf } from "../order-path/postgres.ts";
import { makeRiskKeys, publishKey } from "./risk-keys.ts";

export const startingUsdt = "10000";
const testLog = process.env["BROKER_TEST_LOG"] ? createLogger({ name: "broker" }) : silentLogger;

/** Everything around a broker that survives it: Postgres, the volume, the market, the line, risk's keys. */
export class BrokerWorld {
  readonly postgres: TestPostgres;
  readonly directory = mkdtempSync(join(tmpdir(), "bellwether-broker-"));
  readonly clock = new ManualClock();
  readonly market = new ManualMarket();
  readonly line = new FaultyLine();
  readonly config;
  approver: Approver;

  constructor(postgres: TestPostgres, change: Partial<BrokerConfigInput> = {}) {
    this.postgres = postgres;
    this.approver = new Approver(this.clock);
    this.config = brokerConfig.parse({
      policy: { uid: "policy-1", name: "demo", namespace: "bellwether" },
      account: {
        name: "paper",
        paper: {
          balances: [{ asset: "USDT", amount: startingUsdt }],
          market: { replay: { dataset: { synthetic: { seed: 1 } } } },
        },
      },
      riskSubject: "system:serviceaccount:bellwether:risk",
      issuer: "https://issuer.test",
      dataDirectory: this.directory,
      ...change,
    });
  }

  /** An empty database with risk's published key. */
  async reset(): Promise<void> {
    await this.postgres.reset();
    await makeRiskKeys(this.postgres);
    await this.publish(this.approver);
  }

  async publish(approver: Approver): Promise<void> {
    await publishKey(this.postgres, approver, this.config.policy.uid);
    this.approver = approver;
  }

  /** A broker process; `crashAt` ends it there. */
  async open(crashAt?: FailPointName | number): Promise<RunningBroker> {
    const failPoints = new CrashSwitch(crashAt);
    const database = new Database({
      dsn: this.postgres.brokerDsn,
      clock: this.clock,
      log: testLog,
      failPoints,
      transactions: "queued",
      applicationName: "broker test",
    });
    const changes: { order: BrokerOrder; fills: readonly WireFill[] }[] = [];
    const hub = new (class extends StreamHub {
      override change(change: { order: BrokerOrder; fills: readonly WireFill[] }): void {
        changes.push(change);
      }
    })();
    const fenced = { value: false };
    const paper = this.config.account.paper;
    if (!paper) throw new Error("the fixture is for paper accounts");
    let broker: Broker;
    try {
      broker = await Broker.open({
        config: this.config,
        openVenue: openPaper(paper),
        feed: this.market,
        database,
        clock: this.clock,
        log: testLog,
        metrics: new Metrics(),
        hub,
        failPoints,
        line: this.line.between,
        onFenced: () => void (fenced.value = true),
      });
    } catch (error) {
      await database.close();
      throw error;
    }
    return { broker, database, failPoints, changes, fenced };
  }

  /** A broker that has taken over and listens to the market. */
  async start(crashAt?: FailPointName | number): Promise<RunningBroker> {
    const running = await this.open(crashAt);
    try {
      await running.broker.runFeed(new AbortController().signal);
      await running.broker.recover();
      return running;
    } catch (error) {
      await this.end(running);
      throw error;
    }
  }

  /** The process is gone: nothing it still does counts. */
  async end(running: RunningBroker): Promise<void> {
    this.market.detach();
    running.failPoints.kill();
    await running.broker.close().catch(() => undefined);
    await running.database.close().catch(() => undefined);
  }

  rows(sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return rowsOf(this.postgres.superuserDsn, sql, values);
  }

  /** What the venue's own volume says, read from its newest snapshot: call it right after a start. */
  venueOnDisk(): { placements: number; clientOrderIds: readonly string[] } {
    const directory = join(this.directory, "paper-venue");
    const newest = readdirSync(directory)
      .filter((name) => name.startsWith("snapshot-") && name.endsWith(".json"))
      .sort()
      .at(-1);
    const snapshot = JSON.parse(readFileSync(join(directory, newest ?? ""), "utf8")) as {
      venue: string;
      history: { order: { clientOrderId: string } }[];
    };
    const venue = JSON.parse(snapshot.venue) as { state: { orderSequence: number } };
    return { placements: venue.state.orderSequence, clientOrderIds: snapshot.history.map((entry) => entry.order.clientOrderId) };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface RunningBroker {
  readonly broker: Broker;
  readonly database: Database;
  readonly failPoints: CrashSwitch;
  readonly changes: readonly { order: BrokerOrder; fills: readonly WireFill[] }[];
  readonly fenced: { readonly value: boolean };
}
