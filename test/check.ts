// `npm run check`: everything a machine can hold about the source, in under a minute. Each step is a command that exits with 0 or says why not.
import { spawn } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";

interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** What to run when it fails. */
  readonly mend: string;
}

interface Outcome {
  readonly step: Step;
  readonly ok: boolean;
  readonly output: string;
  readonly seconds: number;
}

const root = path.resolve(import.meta.dirname, "..");
const sources = ["crds", "operator", "runtimes", "k3s", "plugin", "test"];

const steps: readonly Step[] = [
  { name: "types", command: ["tsc", "--noEmit", "-p", "."], mend: "fix the types" },
  {
    name: "lint",
    command: ["oxlint", "--type-aware", "--deny-warnings", "-c", ".oxlintrc.json", ...sources],
    mend: "fix the findings",
  },
  { name: "format", command: ["prettier", "--check", "--log-level=warn", "."], mend: "npm run format" },
  {
    name: "boundaries",
    command: ["depcruise", "--config", ".dependency-cruiser.cjs", "--output-type", "err", ...sources],
    mend: "see docs/architecture.md, directions of import",
  },
  {
    name: "dead code",
    command: ["knip", "--no-progress", "--no-config-hints"],
    mend: "remove what nothing uses, or say why in knip.json",
  },
  { name: "tidy", command: ["vitest", "run", "--project", "tidy", "--reporter=dot"], mend: "see style.md's rules in test/tidy" },
  { name: "generated files", command: ["node", "test/generate.ts", "--check"], mend: "npm run generate" },
];

const concurrency = 2;
const colour = process.stdout.isTTY;
const green = (text: string): string => (colour ? `\u001B[32m${text}\u001B[0m` : text);
const red = (text: string): string => (colour ? `\u001B[31m${text}\u001B[0m` : text);

function run(step: Step): Promise<Outcome> {
  const startedAt = performance.now();
  const [command, ...args] = step.command;
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    const finish = (ok: boolean, extra = ""): void => {
      const output = Buffer.concat(chunks).toString("utf8") + extra;
      resolve({ step, ok, output, seconds: (performance.now() - startedAt) / 1000 });
    };
    child.on("error", (error) => finish(false, `cannot start ${command}: ${error.message}\n`));
    child.on("close", (code) => finish(code === 0));
  });
}

function report({ step, ok, output, seconds }: Outcome): void {
  console.log(`${ok ? green("ok  ") : red("FAIL")} ${step.name.padEnd(16)} ${seconds.toFixed(1).padStart(6)} s`);
  if (!ok) console.log(`${output.trimEnd()}\n→ ${step.mend}\n`);
}

const help = `npm run check [-- --only NAME]

Checks ${steps.map((step) => step.name).join(", ")}. Exit code 0 when all hold.

Examples:
  npm run check
  npm run check -- --only types
`;

const { values } = parseArgs({ options: { only: { type: "string" }, help: { type: "boolean", short: "h" } } });
if (values.help) {
  console.log(help);
  process.exit(0);
}
const chosen = steps.filter((step) => values.only === undefined || step.name === values.only);
if (chosen.length === 0) {
  console.error(`no step '${values.only}': choose one of ${steps.map((step) => `'${step.name}'`).join(", ")}`);
  process.exit(2);
}

const startedAt = performance.now();
const outcomes: Outcome[] = [];
const waiting = [...chosen];
async function worker(): Promise<void> {
  for (let step = waiting.shift(); step; step = waiting.shift()) {
    const outcome = await run(step);
    report(outcome);
    outcomes.push(outcome);
  }
}
await Promise.all(Array.from({ length: concurrency }, worker));
const failed = outcomes.filter((outcome) => !outcome.ok).length;
console.log(
  `${outcomes.length - failed} of ${outcomes.length} checks hold (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`,
);
process.exit(failed === 0 ? 0 : 1);
