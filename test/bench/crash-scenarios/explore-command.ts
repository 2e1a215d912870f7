/**
 * `node test/bench/crash-scenarios/explore-command.ts [--paths N] [--breakers '[{"type":"RapidLoss","window":"1h"}]'] [--candidate]`: the bench on its development
 * seeds, with other breakers than the defaults. It has no way to the seeds that judge the defaults. `--candidate`, once: breakers that were chosen so, on
 * seeds of their own.
 */
import { parseArgs } from "node:util";
import { riskPolicySpec } from "@bellwether/crds";
import { experiment } from "./experiment.ts";
import { rowsOf } from "./rows.ts";
import { CANDIDATE, DEVELOPMENT } from "./seeds.ts";

const { values } = parseArgs({
  options: { paths: { type: "string" }, breakers: { type: "string" }, candidate: { type: "boolean" } },
});
const sets = values.candidate ? CANDIDATE : DEVELOPMENT;
const breakers =
  values.breakers === undefined ? undefined : riskPolicySpec.shape.circuitBreakers.parse(JSON.parse(values.breakers));
const paths = Number(values.paths ?? sets.crash.paths);
const crash = await experiment({ ...sets.crash, paths }, breakers);
const ordinary = await experiment(sets.ordinary, breakers);
const calm = await experiment(sets.calm, breakers);
for (const { metric, value, unit, baseline } of rowsOf({ crash, ordinary, calm })) {
  console.log(metric.padEnd(50), value.toFixed(4), unit, baseline === undefined ? "" : `(unprotected ${baseline})`);
}
