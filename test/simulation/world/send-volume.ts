import type { SendRecord, SendRecords } from "../../../runtimes/broker/src/durable/send-log.ts";
import type { SimProcess } from "./sim-process.ts";

/** The broker's data volume: what was synced is there for every later process, whatever becomes of Postgres. */
export class SendVolume {
  readonly #records: string[] = [];

  /** The send log of one process, with the steps of the real one. */
  open(process: SimProcess): SendRecords {
    const earlier = this.#records.length;
    const records = this.#records;
    return {
      healthy: true,
      async append(record) {
        process.pass("append-begins");
        records.push(JSON.stringify(record));
        process.pass("append-synced");
      },
      async *history() {
        if (earlier > 0) yield records.slice(0, earlier).map((text) => JSON.parse(text) as SendRecord);
      },
      prune: async () => undefined,
      close: async () => undefined,
    };
  }
}
