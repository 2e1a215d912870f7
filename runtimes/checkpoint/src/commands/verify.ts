import { verifyCopies } from "../verification/verify.ts";
import type { Command } from "./command.ts";

const dayMs = 24 * 3_600_000;

export const verify: Command = {
  summary: "Reads back today's share of everything stored (or all of it), rebuilds what is damaged and brings what is missing.",
  example: "verify --all",
  async run({ config, signal, ...parts }, { all }) {
    const of = config.verifyCycleDays;
    const share = all ? { part: 0, of: 1 } : { part: Math.floor(parts.clock.nowMs() / dayMs) % of, of };
    const onProgress = (chunks: number): void => parts.onProgress("chunks", chunks);
    const outcome = await verifyCopies({ ...parts, owner: config.checkpoint.uid, share, onProgress }, signal);
    const enough = outcome.verifiedCopies >= config.minVerifiedCopies || outcome.snapshots === 0;
    return { ...outcome, share, ok: enough && outcome.lost.length === 0 };
  },
};
