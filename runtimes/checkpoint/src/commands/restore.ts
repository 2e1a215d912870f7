import { readFileSync } from "node:fs";
import { copyFaultOf, snapshotFaultOf } from "../copies/faults.ts";
import { checkpointError } from "../errors.ts";
import { prefixes } from "../format/object-keys.ts";
import { type RestoreOptions, restorePostgres, trialRestorePostgres } from "../restore-postgres/restore.ts";
import { openSnapshot } from "../snapshot/open-snapshot.ts";
import { ShippedObjects } from "../snapshot/shipped-objects.ts";
import type { Command, CommandContext } from "./command.ts";

export const restore: Command = {
  summary: "Restores the journal into a fresh database beside the old one, replays what was shipped, validates, swaps the two.",
  example: "restore --request 20261122a",
  async run(context, { snapshot: wanted, request }) {
    if (request === undefined) throw checkpointError("REQUEST_MISSING", "restore needs --request ID");
    if (await isHandled(context, request)) return { ok: true, request, alreadyHandled: true };
    const { opened, options } = await prepare(context, { wanted, id: request });
    const result = await restorePostgres(options);
    const recorded = await recordHandled(context, request, { snapshot: result.snapshot });
    return { ok: recorded.length > 0, request, recorded, ...result, ...opened() };
  },
};

export const trialRestore: Command = {
  summary: "Does all of that but the swap, in a scratch database that is dropped afterwards.",
  example: "trial-restore",
  async run(context, { snapshot: wanted }) {
    const id = context.run.replaceAll("-", "").slice(0, 12);
    const { opened, options } = await prepare(context, { wanted, id });
    const result = await trialRestorePostgres(options);
    return { ok: true, ...result, ...opened() };
  },
};

/** @returns besides the options what is known of the snapshot, once it has been read */
async function prepare(
  { config, copies, envelope, clock, log }: CommandContext,
  { wanted, id }: { readonly wanted: string | undefined; readonly id: string },
): Promise<{ opened: () => object; options: RestoreOptions }> {
  if (!config.database) throw checkpointError("DATABASE_MISSING", "the configuration names no database to restore into");
  const dsn = readFileSync(config.database.dsnFile, "utf8").trim();
  const { snapshot, objects, skipped } = await openSnapshot({ copies, envelope, clock }, wanted);
  const shipped = new ShippedObjects(copies, { objects, log });
  const onStep = (step: string): void => log.info({ step, snapshot: snapshot.id }, "restoring");
  const opened = (): object => ({ skipped, damaged: objects.damaged, takenAtMs: snapshot.takenAtMs });
  return { opened, options: { dsn, id, snapshot, shipped, clock, log, onStep } };
}

/** What has been restored once is not restored again because its request was made anew from Git. */
async function isHandled({ copies, log }: CommandContext, request: string): Promise<boolean> {
  for (const copy of copies) {
    try {
      if (await copy.get(`${prefixes.handled}${request}`)) return true;
    } catch (error) {
      log.warn({ copy: copy.name, ...snapshotFaultOf(error) }, "this copy cannot say which requests were handled");
    }
  }
  return false;
}

/** @returns the copies that now know it */
async function recordHandled(
  { copies, envelope, log, clock }: CommandContext,
  request: string,
  what: { readonly snapshot: string },
): Promise<string[]> {
  const key = `${prefixes.handled}${request}`;
  const sealed = await envelope.seal(key, Buffer.from(JSON.stringify({ ...what, atMs: clock.nowMs() })));
  const recorded: string[] = [];
  for (const copy of copies) {
    try {
      await copy.put(key, sealed, { ifAbsent: true });
      recorded.push(copy.name);
    } catch (error) {
      const fault = copyFaultOf(error);
      if (!fault) throw error;
      log.warn({ copy: copy.name, ...fault }, "this copy cannot be told that the request was handled");
    }
  }
  return recorded;
}
