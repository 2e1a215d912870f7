import { snapshotFaultOf } from "../copies/faults.ts";
import { listManifests, readManifest } from "../snapshot/catalogue.ts";
import { SoundObjects } from "../snapshot/sound-objects.ts";
import type { Command } from "./command.ts";

/** As many as a status holds. */
const mostListed = 100;

export const list: Command = {
  summary: "Lists the newest snapshots with what they hold, and on which copies they stand.",
  example: "list",
  async run({ copies, envelope, clock }) {
    const objects = new SoundObjects({ copies, envelope, clock, heal: false });
    const { entries, unknown } = await listManifests(copies);
    const snapshots = [];
    for (const entry of entries.slice(0, mostListed)) {
      const { id, takenAtMs, contentId, on } = entry;
      const name = { id, time: new Date(takenAtMs).toISOString(), sha256: contentId, copies: on };
      try {
        const { bytes, sequence, sources } = await readManifest(objects, entry);
        snapshots.push({
          ...name,
          bytes,
          sequence,
          sources: sources.map((source) => ("files" in source ? source.name : source)),
        });
      } catch (error) {
        snapshots.push({ ...name, fault: snapshotFaultOf(error) });
      }
    }
    return { ok: unknown.length === 0, snapshots, unknown };
  },
};
