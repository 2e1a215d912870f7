/** What of the user's own ConfigMaps a strategy needs, and what of them there is. Pure. */
import { type EffectiveStrategySpec, effectiveDataset } from "@bellwether/crds";
import type { KeyState } from "../platform/config-map-digests.ts";

export interface InputRef {
  readonly role: "program" | "dataset";
  readonly name: string;
  readonly key: string;
}

export type Inputs = ReadonlyMap<InputRef["role"], KeyState>;

/** Keys of ConfigMaps that the agent mounts. */
export function inputRefs(spec: EffectiveStrategySpec): InputRef[] {
  const refs: InputRef[] = [];
  const program = spec.program.source?.configMapRef;
  if (program) refs.push({ role: "program", ...program });
  if (spec.mode === "Backtest" && spec.backtest) {
    const { source } = effectiveDataset(spec.backtest.dataset);
    if (source.kind === "configMap") refs.push({ role: "dataset", name: source.name, key: source.key });
  }
  return refs;
}
