// `npm run bench [-- NAME ...]`: runs the benchmarks one after another, prints a table and keeps the figures as JSON in .bellwether/bench/.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { type BenchResult, type BenchRow, meetsGoal } from "./result.ts";

const folder = import.meta.dirname;
const outputDirectory = path.resolve(folder, "../../.bellwether/bench");
const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .toSorted();

const help = `npm run bench [-- NAME ...]

Benchmarks: ${names.join(", ")} (all when none is named). Each is test/bench/NAME/bench.ts. Figures with a goal say whether it is met;
a missed one does not fail the run, because a busy machine is no regression: read the ratios, which come from one run.

Examples:
  npm run bench
  npm run bench -- backtest
`;

const { positionals, values } = parseArgs({ allowPositionals: true, options: { help: { type: "boolean", short: "h" } } });
if (values.help) {
  console.log(help);
  process.exit(0);
}
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`no benchmark '${unknown.join("', '")}': choose from ${names.join(", ")}`);
  process.exit(2);
}

function line(row: BenchRow): string {
  const value = Number.isInteger(row.value) ? String(row.value) : row.value.toPrecision(4);
  const comparison =
    row.baseline === undefined
      ? ""
      : `  baseline ${row.baseline.toPrecision(4)}  ratio ${(row.ratio ?? row.value / row.baseline).toFixed(2)}`;
  const goal = row.goal === undefined ? "" : `  goal ${row.goal}${meetsGoal(row) ? "" : "  MISSED"}`;
  return `  ${row.metric.padEnd(48)} ${value.padStart(12)} ${row.unit.padEnd(10)}${goal}${comparison}`;
}

const results: BenchResult[] = [];
let broken = 0;
for (const name of positionals.length > 0 ? positionals : names) {
  console.log(`\n── ${name} ──`);
  try {
    const { bench } = (await import(path.join(folder, name, "bench.ts"))) as { bench: () => Promise<BenchResult> };
    const result = await bench();
    results.push(result);
    if (result.skipped) console.log(`  skipped: ${result.skipped}`);
    for (const row of result.rows) console.log(line(row));
  } catch (error) {
    broken++;
    console.error(`  ${name} broke:`, error);
  }
}
mkdirSync(outputDirectory, { recursive: true });
const file = path.join(outputDirectory, `${new Date().toISOString().replaceAll(":", "-")}.json`);
const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
};
writeFileSync(file, `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
const missed = results.flatMap((result) => result.rows).filter((row) => !meetsGoal(row)).length;
console.log(
  `\n${missed === 0 ? "every goal met" : `${missed} goal(s) missed`}${broken ? `, ${broken} benchmark(s) broke` : ""}; figures in ${path.relative(process.cwd(), file)}`,
);
process.exit(broken === 0 ? 0 : 1);
