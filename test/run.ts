// `npm test [SUITE ...]`: runs the suites and ends with one line `N passed, N failed, N skipped`.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import {
  type TestCounts,
  addCounts,
  countsOf,
  failuresOf,
  noTests,
  skipsWithoutPermission,
  type VitestReport,
} from "./suites/counts.ts";
import { skipReason } from "./cluster/prerequisites.ts";
import { permittedSkips } from "./suites/permitted-skips.ts";
import { HeldOutput, runCommand } from "./suites/run-command.ts";

const root = path.resolve(import.meta.dirname, "..");
/** In the order they are told. `e2e` and `kills` share one cluster, `down` takes it down and compares the machine with what it was before. */
const suites = ["unit", "simulation", "integration", "e2e", "kills", "down"] as const;
type Suite = (typeof suites)[number];
/** Services are started hundreds of times from their sources: compiled once, they are up in half the time. */
const compileCache = path.join(root, "node_modules/.cache/compiled");
const clusterSuites: ReadonlySet<Suite> = new Set<Suite>(["e2e", "kills", "down"]);

const help = `npm test [-- SUITE ...] [--filter TEXT] [--strict-skips]

Suites: ${suites.join(", ")} (all when none is named). The last three run on a real cluster made from source, which
needs root and Go; without them they are skipped, with the reason, and counted as skipped. A running instance of npm run up
is stopped first: one machine carries one. Beside them runs the simulation, on processor time that waiting for pods leaves;
what it has to say is printed when they are done.

  --filter TEXT    only test files whose path contains TEXT
  --strict-skips   exit 1 when an end-to-end test was skipped that test/suites/permitted-skips.ts does not list

Examples:
  npm test
  npm run test:unit -- --filter runtimes/trading
`;

interface SuiteResult {
  readonly suite: Suite;
  readonly counts: TestCounts;
  readonly seconds: number;
  readonly crashed: boolean;
  readonly illegalSkips: readonly string[];
  readonly failures: readonly string[];
}

interface Asked {
  readonly suite: Suite;
  /** Of a suite that runs beside the others. */
  readonly held?: HeldOutput;
}

function vitest({ suite, held }: Asked, reportFile: string, filter: string | undefined): Promise<number> {
  const args = [
    "run",
    `--project=${suite}`,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${reportFile}`,
    "--passWithNoTests",
  ];
  if (filter) args.push(filter);
  const env = { ...longForm(suite), NODE_COMPILE_CACHE: compileCache, ...process.env };
  return runCommand("vitest", args, { cwd: root, env, held, yields: held !== undefined });
}

/** Asked for by name, a suite takes its time (test/suites/long-form.ts), the kills most of all. Variables that are set win. */
function longForm(suite: Suite): Readonly<Record<string, string>> {
  if (!positionals.includes(suite)) return {};
  return { BELLWETHER_LONG: "1", ...(suite === "kills" && { BELLWETHER_KILLS: "50", BELLWETHER_KILL_POINTS: "99" }) };
}

/** Stops a running instance of ours and makes a fresh one, whose state before is recorded for the suite `down`. Returns whether it is there. */
async function makeCluster(): Promise<boolean> {
  console.log("\n── cluster ── a running source instance of ours is stopped first, then one is made for the tests");
  const script = (...args: string[]): Promise<number> =>
    runCommand("node", ["--disable-warning=ExperimentalWarning", ...args], { cwd: root, env: process.env });
  if ((await script("k3s/src/down.ts", "--quiet-when-absent")) !== 0) return false;
  return (await script("k3s/src/up.ts", "--cluster", "source")) === 0;
}

async function runSuite(asked: Asked, filter: string | undefined): Promise<SuiteResult> {
  const { suite, held } = asked;
  if (!held) console.log(`\n── ${suite} ──`);
  const directory = mkdtempSync(path.join(tmpdir(), "bw-test-"));
  const reportFile = path.join(directory, "report.json");
  const startedAt = performance.now();
  try {
    const code = await vitest(asked, reportFile, filter);
    const report = readReport(reportFile);
    const counts = report ? countsOf(report) : noTests;
    const illegalSkips = report && suite !== "unit" ? skipsWithoutPermission(report, permittedSkips) : [];
    // A file that fails to load fails no test: it must not look like a pass.
    const crashed = !report || (code !== 0 && counts.failed === 0);
    const failures = report ? failuresOf(report) : [];
    return { suite, counts, crashed, illegalSkips, failures, seconds: (performance.now() - startedAt) / 1000 };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function readReport(file: string): VitestReport | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as VitestReport;
  } catch (error) {
    console.error(`vitest left no report: ${String(error)}`);
    return undefined;
  }
}

function summarise(results: readonly SuiteResult[], strict: boolean): number {
  console.log("\nsuite         passed  failed  skipped   seconds");
  for (const { suite, counts, seconds, crashed } of results) {
    const figures = [counts.passed, counts.failed, counts.skipped].map((count) => String(count).padStart(8)).join("");
    console.log(`${suite.padEnd(12)}${figures}${seconds.toFixed(0).padStart(10)}${crashed ? "   a test file did not load" : ""}`);
  }
  const illegal = results.flatMap((result) => result.illegalSkips);
  if (strict) for (const name of illegal) console.log(`skipped without permission: ${name}`);
  for (const failure of results.flatMap((result) => result.failures)) console.log(`FAILED ${failure}`);
  const total = results.map((result) => result.counts).reduce(addCounts, noTests);
  const crashes = results.filter((result) => result.crashed).length;
  const refused = strict ? illegal.length : 0;
  console.log(`${total.passed} passed, ${total.failed + crashes} failed, ${total.skipped} skipped`);
  return total.failed + crashes + refused === 0 ? 0 : 1;
}

async function runAll(): Promise<SuiteResult[]> {
  const [onCluster, onMachine] = split(chosen, (suite) => clusterSuites.has(suite));
  const hasCluster = onCluster.length > 0 && skipReason === undefined;
  // The simulation needs nothing but a processor, and its clock is its own: it runs where others wait.
  const [aside, first] = hasCluster ? split(onMachine, (suite) => suite === "simulation") : [[], onMachine];
  const results: SuiteResult[] = [];
  for (const suite of first) results.push(await runSuite({ suite }, values.filter));
  if (onCluster.length > 0 && skipReason) console.log(`\nThe suites ${onCluster.join(", ")} are skipped: ${skipReason}.`);
  if (hasCluster && !(await makeCluster())) console.error("the cluster did not come up: see above; its suites will fail");
  const held = new HeldOutput();
  const simulated = aside.map((suite) => runSuite({ suite, held }, values.filter));
  // Also after a failure the machine is left as it was found.
  const withDown = !hasCluster || onCluster.includes("down") ? onCluster : [...onCluster, "down" as const];
  for (const suite of withDown) results.push(await runSuite({ suite }, suite === "down" ? undefined : values.filter));
  for (const suite of aside) console.log(`\n── ${suite} ── ran beside the suites on the cluster`);
  held.show();
  results.push(...(await Promise.all(simulated)));
  return results.toSorted((left, right) => suites.indexOf(left.suite) - suites.indexOf(right.suite));
}

function split(list: readonly Suite[], isFirst: (suite: Suite) => boolean): [readonly Suite[], readonly Suite[]] {
  return [list.filter(isFirst), list.filter((suite) => !isFirst(suite))];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { filter: { type: "string" }, "strict-skips": { type: "boolean" }, help: { type: "boolean", short: "h" } },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const unknown = positionals.filter((name) => !(suites as readonly string[]).includes(name));
if (unknown.length > 0) {
  console.error(`no suite '${unknown.join("', '")}': choose from ${suites.join(", ")}`);
  process.exit(2);
}
const chosen = positionals.length > 0 ? suites.filter((suite) => positionals.includes(suite)) : suites;
process.exit(summarise(await runAll(), values["strict-skips"] ?? false));
