import type { RiskPolicy } from "@bellwether/crds";
import type { Check } from "@bellwether/service-kit";
import { type EffectivePolicy, effectivePolicy } from "./effective-policy.ts";

/** Where risk learns what its RiskPolicy says, and every change of it. */
export interface PolicySource {
  /** `undefined`: deleted, or replaced by another object of the same name. Called at once for the present state. */
  watch(onChange: (policy: EffectivePolicy | undefined) => void): void;
  check(): Check;
  close(): Promise<void>;
}

/** The policy this pod was made for, or undefined: an object of the same name but another uid has other accounts and its own risk. */
export function policyOf(object: RiskPolicy | undefined, uid: string): EffectivePolicy | undefined {
  return object?.metadata.uid === uid ? effectivePolicy(object) : undefined;
}
