/**
 * `node test/bench/crash-scenarios/explore-command.ts [--paths N] [--breakers '[{"type":"RapidLoss","window":"1h"}]']`: the bench on its development seeds, with
 * other breakers than the defaults. It has no way to the seeds that judge.
 */
import { parseArgs } from "node:util";
import { riskPolicySpec } from "@bellwether/crds";
import { experiment } from "./experiment.ts";
import { rowsOf } from "./rows.ts";
import { DEVELOPMENT } from "./seeds.ts";

const { values } = parseArgs({ options: { paths: { type: "string" }, breakers: { type: "string" } } });
const breakers =
  values.breakers === undefined ? undefined : riskPolicySpec.shape.circuitBreakers.parse(JSON.parse(values.breakers));
const paths = Number(values.paths ?? DEVELOPMENT.crash.paths);
const crash = await experiment({ ...DEVELOPMENT.crash, paths }, breakers);
const ordinary = await experiment(DEVELOPMENT.ordinary, breakers);
const calm = await experiment(DEVELOPMENT.calm, breakers);
for (const { metric, value, unit, baseline } of rowsOf({ crash, ordinary, calm })) {
  console.log(metric.padEnd(50), value.toFixed(4), unit, baseline === undefined ? "" : `(unprotected ${baseline})`);
}
