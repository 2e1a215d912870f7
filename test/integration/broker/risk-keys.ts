import type { Approver } from "../../../runtimes/broker/src/testing/approver.ts";
import { type TestPostgres, rowsOf, withClient } from "../order-path/postgres.ts";

/** The one table of risk's that a broker cannot do without, where the test itself plays risk. */
export async function makeRiskKeys(postgres: TestPostgres): Promise<void> {
  await withClient(postgres.riskDsn, async (client) => {
    await client.query(
      "create table risk.public_keys (key_id text primary key, policy_uid text not null, epoch bigint not null, public_key text not null, created_at timestamptz not null default now())",
    );
    await client.query("grant usage on schema risk to bellwether_broker");
    await client.query("grant select on all tables in schema risk to bellwether_broker");
  });
}

/** A start of risk's, as brokers learn of it. */
export async function publishKey(postgres: TestPostgres, approver: Approver, policyUid: string): Promise<void> {
  await rowsOf(postgres.riskDsn, "insert into risk.public_keys (key_id, policy_uid, epoch, public_key) values ($1, $2, $3, $4)", [
    approver.keyId,
    policyUid,
    approver.epoch,
    approver.publicKey,
  ]);
}
