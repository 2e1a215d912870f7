import { readFileSync } from "node:fs";
import { checkpointError } from "../errors.ts";
import { Shipper } from "../shipping/shipper.ts";
import { shippingTarget } from "../snapshot/shipped-objects.ts";
import type { Command } from "./command.ts";

const lagEveryMs = 1_000;

export const ship: Command = {
  summary: "Ships the journal to volumes and buckets every few seconds, until it is told to stop.",
  example: "ship",
  async run({ config, copies, envelope, clock, log, signal, onLag }) {
    const { database, shipEveryMs } = config;
    if (!database) throw checkpointError("DATABASE_MISSING", "the configuration names no database to ship from");
    const dsn = (): string => readFileSync(database.dsnFile, "utf8").trim();
    // Every few seconds to a table would be a second journal: the servers that keep copies are not asked to hold that pace.
    const tables = new Set(config.copies.flatMap((copy) => ("postgres" in copy ? [copy.name] : [])));
    const shippers = copies
      .filter(({ name }) => !tables.has(name))
      .map((copy) => ({ name: copy.name, shipper: new Shipper({ dsn, target: shippingTarget(copy, envelope), clock, log }) }));
    const runs = shippers.map(({ shipper }) => shipper.run(shipEveryMs, signal));
    while (!signal.aborted) {
      for (const { name, shipper } of shippers) onLag(name, shipper.lagMs());
      await clock.sleep(lagEveryMs, signal).catch(() => undefined);
    }
    await Promise.all(runs);
    return { ok: true, copies: shippers.map(({ name, shipper }) => ({ name, lagMs: shipper.lagMs() })) };
  },
};
