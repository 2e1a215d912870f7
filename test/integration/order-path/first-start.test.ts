import { Database } from "@bellwether/postgres";
import { Metrics, silentLogger, systemClock } from "@bellwether/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EventHub } from "../../../runtimes/risk/src/api/event-hub.ts";
import { noFailPoints } from "../../../runtimes/risk/src/fail-points.ts";
import { riskMetrics } from "../../../runtimes/risk/src/metrics.ts";
import { createSigner } from "../../../runtimes/risk/src/orders/signer.ts";
import { RiskService } from "../../../runtimes/risk/src/service.ts";
import { type TestPostgres, postgresMissing, rowsOf, startPostgres } from "./postgres.ts";
import { BrokerLine, policy, policyUid } from "./risk-fixture.ts";

const missing = postgresMissing();

describe.skipIf(missing !== undefined)(`the first start of risk ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());

  test("waits, and says so, while the broker's tables are not all open to it", async () => {
    const asBroker = (sql: string): Promise<unknown> => rowsOf(postgres.brokerDsn, sql);
    await asBroker("create table broker.orders (client_order_id text)");
    await asBroker("create table broker.fills (id int)");
    await asBroker("grant usage on schema broker to bellwether_risk");
    await asBroker("grant select on broker.fills to bellwether_risk");

    const options = { clock: systemClock, log: silentLogger };
    const database = new Database({ ...options, dsn: postgres.riskDsn, applicationName: "first start" });
    const service = new RiskService({
      ...options,
      database,
      policy: { uid: policyUid, name: "demo" },
      brokers: new Map([["paper", new BrokerLine()]]),
      signer: createSigner(),
      hub: new EventHub(),
      metrics: riskMetrics(new Metrics()),
      failPoints: noFailPoints,
      holder: "test",
      onSeries: () => undefined,
      onSuperseded: () => undefined,
    });
    service.setPolicy(policy);
    const lifetime = new AbortController();
    const running = service.start(lifetime.signal);
    try {
      await expect.poll(() => service.journalCheck().message, { timeout: 30_000 }).toContain("not open to this service yet");
      expect(service.journalCheck().ok).toBe(false);

      // The broker's own migration makes them, and opens them, at once.
      await asBroker("drop table broker.orders, broker.fills");
      await expect.poll(() => service.journalCheck().ok, { timeout: 30_000 }).toBe(true);
      expect(service.portfolio().accounts[0]?.message).toContain("The broker");
    } finally {
      lifetime.abort();
      await running;
      await database.close();
    }
  });
});
