import { describe, expect, test } from "vitest";
import { clusterRules, ownNamespaceRules, rulesByController } from "./rbac.ts";

const all = [...clusterRules(), ...ownNamespaceRules];

describe("the operator's permission", () => {
  test("has no wildcard", () => {
    for (const rule of all) {
      const words = [...(rule.apiGroups ?? []), ...(rule.resources ?? []), ...(rule.nonResourceURLs ?? []), ...rule.verbs];
      expect(words.filter((word) => word.includes("*"))).toEqual([]);
    }
  });

  test("reaches no Secret", () => {
    expect(all.flatMap((rule) => rule.resources ?? [])).not.toContain("secrets");
  });

  test("loses no verb of any controller when rules are joined", () => {
    for (const rule of Object.values(rulesByController).flat()) {
      for (const resource of rule.resources ?? []) {
        const joined = clusterRules().filter(
          (candidate) => candidate.resources?.includes(resource) && candidate.apiGroups?.[0] === rule.apiGroups?.[0],
        );
        const verbs = joined.flatMap((candidate) => candidate.verbs);
        expect(verbs).toEqual(expect.arrayContaining([...rule.verbs]));
      }
    }
  });

  test("writes no kind's spec but through patch", () => {
    const kinds = all.filter(
      (rule) => rule.apiGroups?.includes("bellwether.dev") && !rule.resources?.some((name) => name.includes("/")),
    );
    for (const rule of kinds) expect(rule.verbs).not.toEqual(expect.arrayContaining(["create"]));
  });
});
