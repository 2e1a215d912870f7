import { pruneCopies } from "../retention/prune.ts";
import type { Command } from "./command.ts";

export const prune: Command = {
  summary: "Removes the snapshots that retention no longer wants, then the chunks that none names any more.",
  example: "prune",
  async run({ config, signal, ...parts }) {
    const { retention, graceMs, checkpoint } = config;
    const outcome = await pruneCopies({ ...parts, retention, graceMs, owner: checkpoint.uid }, signal);
    return { ...outcome, ok: outcome.copies.every(({ fault }) => fault === undefined) && outcome.unreadable.length === 0 };
  },
};
