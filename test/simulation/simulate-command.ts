import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { Coverage, type Fault, type Step, faults, pairCount, pairs, steps } from "./coverage.ts";
import { type Mutant, controlMutants, mutants } from "./mutants.ts";
import { type Failure, type RunResult, replayCommand, runHistories } from "./run-histories.ts";
import { type ReplayResult, runOnPostgres } from "./run-on-postgres.ts";
import { runSideBySide } from "./run-side-by-side.ts";

const help = `Generated histories of agents, risk, broker, journal, exchange and network on a virtual clock: production's own modules, crashed at every step
under every fault. After each event the invariants of the order path are held.

  npm run simulate -- [--histories N] [--seed S] [--jobs J] [--mutant NAME] [--postgres] [-o json]

  --histories N   how many (default 2000)
  --seed S        the first one's seed, the next ones count up (default 1)
  --jobs J        threads (default: as many as there are processors)
  --mutant NAME   with a fault put in on purpose: ${[...mutants, ...controlMutants].join(", ")}
  --postgres      each statement of each history again on a real Postgres, which has to give the same rows and violated keys (one thread)
  -o json         the result as one JSON object on standard output
  --help          this text

Exit code 0: no invariant was violated. 1: one was, and the command that replays it is printed. 2: the arguments are wrong.
`;

const everyMutant: readonly Mutant[] = [...mutants, ...controlMutants];
const progressEveryMs = 5_000;
const mostFailures = 5;

interface Options {
  readonly histories: number;
  readonly seed: number;
  readonly jobs: number;
  readonly mutant: Mutant | undefined;
  readonly json: boolean;
  readonly postgres: boolean;
}

function optionsFrom(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      histories: { type: "string", default: "2000" },
      seed: { type: "string", default: "1" },
      jobs: { type: "string", default: String(availableParallelism()) },
      mutant: { type: "string" },
      output: { type: "string", short: "o", default: "text" },
      postgres: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const mutant = everyMutant.find((name) => name === values.mutant);
  if (values.mutant !== undefined && !mutant)
    throw new Error(`there is no mutant ${values.mutant}; there are ${everyMutant.join(", ")}`);
  if (values.output !== "text" && values.output !== "json") throw new Error("-o takes text or json");
  return {
    histories: whole(values.histories, "--histories"),
    seed: whole(values.seed, "--seed"),
    jobs: whole(values.jobs, "--jobs"),
    mutant,
    json: values.output === "json",
    postgres: values.postgres,
  };
}

function whole(text: string, name: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Error(`${name} takes a whole number above 0, not ${text}`);
}

/** Every pair of step and fault, with how often it was hit. */
function matrix({ hits }: RunResult): string {
  const coverage = new Coverage(hits);
  const width = Math.max(...steps.map(({ length }) => length));
  const header = faults.map((fault, index) => `  ${String.fromCharCode(65 + index)} ${fault}`).join("\n");
  const columns = faults.map((_fault, index) => String.fromCharCode(65 + index).padStart(6)).join("");
  const possible = new Set([...pairs.exchange, ...pairs.chain].map(({ step, fault }) => `${step}/${fault}`));
  const cell = (step: Step, fault: Fault): string =>
    possible.has(`${step}/${fault}`) ? String(coverage.hits({ step, fault })) : "-";
  const rows = steps.map((step) => step.padEnd(width) + faults.map((fault) => cell(step, fault).padStart(6)).join(""));
  return [header, "", " ".repeat(width) + columns, ...rows].join("\n");
}

function report(result: RunResult, { mutant }: Options, seconds: number): string {
  const { histories, failures, hits, totals, virtualMs, fewestIntents } = result;
  const coverage = new Coverage(hits);
  const missed = coverage.missed.length;
  const counts = [...pairs.exchange, ...pairs.chain].map((pair) => coverage.hits(pair)).toSorted((left, right) => left - right);
  return [
    matrix(result),
    "",
    `${histories} histories in ${seconds.toFixed(1)} s (${(histories / seconds).toFixed(1)} a second, ${(virtualMs / 3_600_000).toFixed(1)} hours of virtual time)`,
    `${totals.intents} intents (at least ${Number.isFinite(fewestIntents) ? fewestIntents : 0} a history), ${totals.orders} orders, ${totals.fills} fills, ${totals.events} events, ${totals.refusedAttacks} attacks refused`,
    `${totals.trips} trips of breakers, ${totals.flattens} orders that sell everything, ${totals.resets} resets, ${totals.halts} halts and ${totals.adoptions} adoptions by people, ${totals.deletions} strategies deleted`,
    `${totals.legs} legs sent to the exchange, ${totals.legFills} fills of them`,
    `${pairCount - missed} of ${pairCount} pairs of step and fault hit; the rarest ${counts[0] ?? 0} times, half of them ${counts[counts.length >> 1] ?? 0} times or more`,
    `${failures.length} histories violated an invariant`,
    ...failures.map(({ seed, message }) => `  seed ${seed}: ${message}\n    ${replayCommand(seed, mutant)}`),
  ].join("\n");
}

function asJson(result: RunResult, { mutant }: Options, seconds: number): string {
  const { hits, failures, fewestIntents, ...figures } = result;
  const coverage = new Coverage(hits);
  return JSON.stringify({
    ...figures,
    seconds,
    ...(mutant === undefined ? {} : { mutant }),
    fewestIntents: Number.isFinite(fewestIntents) ? fewestIntents : 0,
    failures: failures.map((failure) => ({ ...failure, replay: replayCommand(failure.seed, mutant) })),
    pairs: [...pairs.exchange, ...pairs.chain].map((pair) => ({ ...pair, hits: coverage.hits(pair) })),
  });
}

/** @returns the exit code */
function replayed(result: ReplayResult, { json }: Options): number {
  const { histories, statements, failures } = result;
  const lines = [
    `${statements} statements of ${histories} histories were run again on Postgres; ${failures.length} histories differ`,
    ...failures.map(({ seed, message }) => `  seed ${seed}: ${message}`),
  ];
  process.stdout.write(`${json ? JSON.stringify(result) : lines.join("\n")}\n`);
  return failures.length > 0 ? 1 : 0;
}

async function main(): Promise<number> {
  let options: Options | "help";
  try {
    options = optionsFrom(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return 2;
  }
  if (options === "help") {
    process.stdout.write(help);
    return 0;
  }
  const startedMs = performance.now();
  const { histories, seed: firstSeed, mutant, jobs } = options;
  let toldMs = startedMs;
  const run = {
    firstSeed,
    histories,
    mutant,
    mostFailures,
    onFailure: ({ seed, message }: Failure) => void process.stderr.write(`seed ${seed}: ${message}\n`),
    onHistory(done: number, failures: number): void {
      const nowMs = performance.now();
      if (nowMs - toldMs < progressEveryMs) return;
      toldMs = nowMs;
      const rate = done / ((nowMs - startedMs) / 1_000);
      process.stderr.write(`${done} of ${histories}, ${rate.toFixed(1)} a second, ${failures} violated\n`);
    },
  };
  if (options.postgres) return replayed(await runOnPostgres(run), options);
  const result = await (jobs === 1 || histories === 1 ? runHistories(run) : runSideBySide(run, jobs));
  const seconds = (performance.now() - startedMs) / 1_000;
  process.stdout.write(`${options.json ? asJson(result, options, seconds) : report(result, options, seconds)}\n`);
  return result.failures.length > 0 ? 1 : 0;
}

process.exitCode = await main();
