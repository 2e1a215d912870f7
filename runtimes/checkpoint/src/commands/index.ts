import type { Command } from "./command.ts";
import { list } from "./list.ts";
import { prune } from "./prune.ts";
import { restore, trialRestore } from "./restore.ts";
import { ship } from "./ship.ts";
import { snapshot } from "./snapshot.ts";
import { verify } from "./verify.ts";

export const commands = {
  snapshot,
  verify,
  prune,
  list,
  "trial-restore": trialRestore,
  restore,
  ship,
} as const satisfies Readonly<Record<string, Command>>;

export function isCommandName(name: string): name is keyof typeof commands {
  return Object.hasOwn(commands, name);
}

const described = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(14)} ${summary}`);
const examples = Object.values(commands).map(({ example }) => `  node main.mjs ${example}`);

export const usage = `BELLWETHER_CONFIG=/etc/bellwether/config.json node main.mjs COMMAND [--all] [--snapshot ID] [--request ID]

Commands:
${described.join("\n")}

Options:
  --all          verify: everything, not only today's share
  --snapshot ID  restore, trial-restore: this snapshot, not the newest that can be restored
  --request ID   restore: the same again finishes what was begun, and does nothing once it is done

One line of JSON on standard output says what came of it; logs go to standard error. Exit code 0: "ok" is true; 1: it is not; 2: wrong usage.

Examples:
${examples.join("\n")}
`;
