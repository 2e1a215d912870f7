import { createHash } from "node:crypto";

/** A StatefulSet adds a revision hash of 11 characters to a label value, and 63 is the end. */
const longestName = 52;
const hashLength = 8;

/**
 * The name of a child: `<short kind>-<object>-<role>`, the same at every reconcile; shortened with a hash of the whole where it would be longer
 * than 52 characters.
 *
 * @param kind short name of the owner's kind: `strat`, `rpol`
 */
export function childName(kind: string, object: string, role: string): string {
  const name = `${kind}-${object}-${role}`;
  if (name.length <= longestName) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, hashLength);
  return `${name.slice(0, longestName - hashLength - 1).replace(/[-.]+$/, "")}-${hash}`;
}

export const agentName = (strategy: string): string => childName("strat", strategy, "agent");
export const answersName = (strategy: string): string => childName("strat", strategy, "answers");
export const riskName = (policy: string): string => childName("rpol", policy, "risk");
export const gatewayName = (route: string): string => childName("llmr", route, "gateway");
export const brokerName = (policy: string, account: string): string => childName("rpol", policy, `broker-${account}`);
export const ollamaName = (route: string, model: string): string => childName("llmr", route, `ollama-${model}`);

/** `sub` of the tokens of a ServiceAccount. */
export const subjectOf = (namespace: string, serviceAccount: string): string =>
  `system:serviceaccount:${namespace}:${serviceAccount}`;
