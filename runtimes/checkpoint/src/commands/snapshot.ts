import { judgeRedundancy } from "../copies/redundancy.ts";
import { takeSnapshot } from "../snapshot/snapshot-writer.ts";
import type { Command } from "./command.ts";

export const snapshot: Command = {
  summary: "Captures the state and writes it to all copies; each reads back all of it before it counts.",
  example: "snapshot",
  async run({ config, signal, ...parts }) {
    const onProgress = (bytes: number): void => parts.onProgress("bytes", bytes);
    const outcome = await takeSnapshot({ ...parts, checkpoint: config.checkpoint, onProgress }, signal);
    const verified = outcome.copies.filter(({ state }) => state === "Verified");
    const holding = verified.flatMap(({ name, identity }) => (identity ? [{ name, identity }] : []));
    return {
      ...outcome,
      ok: verified.length >= config.minVerifiedCopies,
      verifiedCopies: verified.length,
      redundancy: judgeRedundancy(holding),
    };
  },
};
