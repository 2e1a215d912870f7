import { type EventSink, Metrics, silentLogger } from "@bellwether/service-kit";
import { Broker } from "../../../runtimes/broker/src/broker.ts";
import { brokerConfig } from "../../../runtimes/broker/src/config.ts";
import { StreamHub } from "../../../runtimes/broker/src/stream-hub.ts";
import type { JournalDatabase } from "@bellwether/postgres";
import type { SendRecords } from "../../../runtimes/broker/src/durable/send-log.ts";
import type { OpenVenue } from "../../../runtimes/broker/src/venues/venue.ts";
import type { SimMarket } from "./sim-market.ts";
import type { SimProcess } from "./sim-process.ts";

export const accountName = "live";
export const policyUid = "policy-1";

export const config = brokerConfig.parse({
  policy: { uid: policyUid, name: "demo", namespace: "bellwether" },
  account: { name: accountName, ccxt: { exchange: "binance" } },
  riskSubject: "system:serviceaccount:bellwether:risk",
  issuer: "https://issuer.test",
  dataDirectory: "/nowhere",
  // A year of bars closes within minutes: nothing but the daily cap knows the date.
  hardCaps: { maxOrderNotional: "20000", maxDailyNotional: "10000000" },
});

export interface BrokerNode {
  readonly process: SimProcess;
  readonly broker: Broker;
}

export interface BrokerNodeOptions {
  readonly process: SimProcess;
  readonly database: JournalDatabase;
  readonly sendLog: SendRecords;
  readonly openVenue: OpenVenue;
  readonly market: SimMarket;
  /** An event of the broker's stream, as it leaves. */
  readonly onEvent: (event: string, data: unknown) => void;
  /** The process has ended by itself. */
  readonly onEnd: (error: unknown) => void;
}

/** Starts a broker process: production's own composition, with memory in the place of disk, Postgres and exchange. */
export async function startBroker(options: BrokerNodeOptions): Promise<BrokerNode> {
  const { process, database, sendLog, openVenue, market, onEvent, onEnd } = options;
  const hub = new StreamHub();
  const broker = await Broker.open({
    config,
    openVenue,
    openSendLog: async () => sendLog,
    feed: market,
    database,
    clock: process.clock,
    log: silentLogger,
    metrics: new Metrics(),
    hub,
    failPoints: process,
    onFenced: () => process.kill(),
  });
  const sink: Pick<EventSink, "send" | "end" | "onClose"> = {
    send: ({ event, data }) => onEvent(event, data),
    end: () => undefined,
    onClose: () => undefined,
  };
  hub.add(sink as EventSink);
  broker.start(process.signal).catch(onEnd);
  broker.runFeed(process.signal).catch(onEnd);
  return { process, broker };
}
