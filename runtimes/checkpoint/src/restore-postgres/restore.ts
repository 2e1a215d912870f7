import { type Clock, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import type { OpenedSnapshot } from "../source.ts";
import { type Replayed, type ShippedJournal, replay } from "../shipping/replay.ts";
import { slotNames } from "../shipping/slot.ts";
import { databaseError } from "../source-postgres/errors.ts";
import { type JournalPosition, journalPosition } from "../source-postgres/position.ts";
import { databaseOf, inTransaction, quoted } from "../source-postgres/session.ts";
import { type DatabaseNames, Server, databaseNames, trialName } from "./databases.ts";
import { type Epochs, type RestoreMark, fence, readEpochs, readMark } from "./fence.ts";
import { loadJournal } from "./load.ts";
import { settleSequences } from "./sequences.ts";
import { validateRestored } from "./validate.ts";

export const restoreSteps = ["create", "load", "replay", "validate", "fence", "shut", "swap", "open"] as const;
export type RestoreStep = (typeof restoreSteps)[number];

export interface RestoreOptions {
  /** Names the database that services use; the role may create and rename databases and act for the services' roles. A URL. */
  readonly dsn: string;
  /** Of the request: the same again finishes what was begun, and does nothing once it is done. */
  readonly id: string;
  readonly snapshot: OpenedSnapshot;
  /** Undefined: the snapshot alone. */
  readonly shipped?: ShippedJournal;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told before each step. */
  readonly onStep?: (step: RestoreStep) => void;
}

export interface RestoreResult {
  /** Undefined: an earlier run had done it. */
  readonly replayed: Replayed | undefined;
  readonly snapshot: string;
  /** The last segment that the restored journal holds; empty: none. */
  readonly replayedTo: string;
  /** Milliseconds by step; a step that an earlier run had done is not there. */
  readonly durations: Readonly<Partial<Record<RestoreStep, number>>>;
  /** Where the old state stands, closed to everybody; undefined: there was none. */
  readonly aside: string | undefined;
}

/**
 * Restores the journal into a fresh database beside the old one and swaps the two by their names. Nothing that was there is changed before the fresh one has
 * been validated and fenced off; the swap is one transaction. Killed at any point, the next run with the same id finishes.
 *
 * The services' connections are ended by the swap; whoever calls holds trading before, and until every account is reconciled after.
 *
 * @throws CodedError of the database's registry, or what the snapshot's reader throws: the old database is as it was
 */
export async function restorePostgres(options: RestoreOptions): Promise<RestoreResult> {
  const names = databaseNames(databaseOf(options.dsn), options.id);
  const run = new RestoreRun(options);
  return run.server.exclusively(names.live, async () => {
    const done = await run.findSwapped(names);
    if (done) return run.result(done, names);
    const ready = await run.findReady(names.fresh);
    const mark = ready ?? (await run.buildOrDrop(names));
    await run.swap(names);
    return run.result(mark, names);
  });
}

/**
 * Everything but the swap, in a scratch database that is dropped whatever comes of it.
 *
 * @param look at the scratch database while it is there
 * @throws as {@link restorePostgres}: the snapshot cannot be restored
 */
export async function trialRestorePostgres(
  options: RestoreOptions,
  look: (scratchDsn: string) => Promise<void> = async () => undefined,
): Promise<Omit<RestoreResult, "aside">> {
  const live = databaseOf(options.dsn);
  const scratch = trialName(live, options.id);
  const run = new RestoreRun(options);
  try {
    const mark = await run.build(scratch, live);
    await look(run.server.dsnOf(scratch));
    return await run.result(mark);
  } finally {
    await run.server.drop(scratch);
  }
}

class RestoreRun {
  readonly server: Server;
  readonly #options: RestoreOptions;
  readonly #durations: Partial<Record<RestoreStep, number>> = {};
  #replayed: Replayed | undefined;

  constructor(options: RestoreOptions) {
    this.#options = options;
    this.server = new Server(options.dsn);
  }

  async step<T>(step: RestoreStep, work: () => Promise<T>): Promise<T> {
    const { clock, onStep } = this.#options;
    onStep?.(step);
    const startedMs = clock.nowMs();
    const result = await work();
    this.#durations[step] = clock.nowMs() - startedMs;
    return result;
  }

  async result(mark: RestoreMark, names?: DatabaseNames): Promise<RestoreResult> {
    const { snapshot, replayedTo } = mark;
    const aside = names && (await this.server.exists(names.aside)) ? names.aside : undefined;
    return { replayed: this.#replayed, snapshot, replayedTo, durations: this.#durations, aside };
  }

  /** The last run may have ended right behind the swap, with the doors still shut. */
  async findSwapped({ live, fresh }: DatabaseNames): Promise<RestoreMark | undefined> {
    if ((await this.server.exists(fresh)) || !(await this.server.exists(live))) return undefined;
    return this.#markOf(live);
  }

  /** Built and fenced by an earlier run: what is left is the swap. */
  async findReady(fresh: string): Promise<RestoreMark | undefined> {
    return (await this.server.exists(fresh)) ? this.#markOf(fresh) : undefined;
  }

  /** What cannot be restored is not left to fill the disk; a run that was killed has left it, and the next one makes it anew. */
  async buildOrDrop({ fresh, live }: DatabaseNames): Promise<RestoreMark> {
    try {
      return await this.build(fresh, live);
    } catch (error) {
      await this.server.drop(fresh).catch((left: unknown) => this.#options.log.warn({ err: left }, `${fresh} is left behind`));
      throw error;
    }
  }

  async build(fresh: string, live: string): Promise<RestoreMark> {
    const { snapshot, id, shipped } = this.#options;
    const position = positionOf(snapshot);
    await this.step("create", async () => {
      await this.server.drop(fresh);
      await this.server.create(fresh, position);
    });
    const remembered = await this.#epochsOf(live);
    return this.server.session(fresh, async (client) => {
      // What a power cut takes of a half-filled database is made anew with the rest; the fence is waited for, and with it all before.
      await client.query("set synchronous_commit = off");
      const { catalogue } = await this.step("load", () => loadJournal(client, snapshot, position.extensions));
      if (shipped) this.#replayed = await this.step("replay", () => replay(client, shipped, position));
      await this.step("validate", async () => {
        await settleSequences(client, catalogue);
        const migrated = this.#replayed?.migrated === true;
        await validateRestored(client, { catalogue, highWaterMarks: position.highWaterMarks, migrated });
      });
      await client.query("set synchronous_commit = on");
      const mark = { id, snapshot: snapshot.id, replayedTo: this.#replayed?.lastKey ?? "" };
      await this.step("fence", () => fence(client, remembered, mark));
      return mark;
    });
  }

  /** Both names change in one transaction: at no moment is there no database of the live name, or one that half is the old. */
  async swap({ live, fresh, aside }: DatabaseNames): Promise<void> {
    const hadLive = await this.server.exists(live);
    await this.step("shut", async () => {
      if (hadLive) await this.#dropSlots(live);
      for (const each of hadLive ? [live, fresh] : [fresh]) await this.server.shut(each);
    });
    await this.step("swap", () =>
      this.server.admin((client) =>
        inTransaction(client, async () => {
          if (hadLive) await client.query(`alter database ${quoted(live)} rename to ${quoted(aside)}`);
          await client.query(`alter database ${quoted(fresh)} rename to ${quoted(live)}`);
        }),
      ),
    );
    // The old one stays shut: a service that found it would write to what is no longer the journal.
    await this.step("open", () => this.server.allowConnections(live, true));
  }

  async #markOf(database: string): Promise<RestoreMark | undefined> {
    await this.server.allowConnections(database, true);
    return this.server.session(database, (client) => readMark(client, this.#options.id));
  }

  /** An old database that cannot be read any more remembers nothing: the leap of the epochs is there for that. */
  async #epochsOf(live: string): Promise<Epochs> {
    try {
      if (await this.server.exists(live)) return await this.server.session(live, readEpochs);
    } catch (error) {
      this.#options.log.warn({ err: error }, `the old database cannot be asked for its epochs: ${messageOf(error)}`);
    }
    return new Map();
  }

  /** A slot of the old database would hold back the server's log for as long as the database is kept. */
  async #dropSlots(live: string): Promise<void> {
    await this.server
      .session(live, async (client) => {
        const own = "database = current_database() and starts_with(slot_name, $1)";
        await client.query(`select pg_terminate_backend(active_pid, 10000) from pg_replication_slots where ${own} and active`, [
          slotNames,
        ]);
        await client.query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where ${own}`, [slotNames]);
      })
      .catch((error: unknown) => {
        // It may be beyond reading: that is why it is being replaced.
        if (!hasCode(error, "POSTGRES_UNREACHABLE")) this.#options.log.warn({ err: error }, "slots of the old database are left");
      });
  }
}

function positionOf(snapshot: OpenedSnapshot): JournalPosition {
  const result = journalPosition.safeParse(snapshot.position("Journal"));
  if (result.success) return result.data;
  throw databaseError("CAPTURE_INCOMPLETE", `snapshot ${snapshot.id} holds no journal that this version can restore`, {
    cause: result.error,
  });
}
