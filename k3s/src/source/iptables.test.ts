import { describe, expect, test } from "vitest";
import { emptyTables, hasKubernetesChains, normalisedRules, tableNames, withoutKubernetesChains } from "./iptables.ts";

const own = `*filter
:INPUT ACCEPT [10:200]
:DOCKER - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A DOCKER -j RETURN
COMMIT
`;
const withCluster = `# Generated
*nat
:PREROUTING ACCEPT [1:2]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:CNI-5e386c7e - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -s 10.42.0.2/32 -j CNI-5e386c7e
-A CNI-5e386c7e ! -d 224.0.0.0/4 -j MASQUERADE
-A KUBE-SERVICES -d 10.43.0.1/32 -j ACCEPT
COMMIT
*filter
:INPUT ACCEPT [99:999]
:DOCKER - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -j KUBE-FIREWALL
-A DOCKER -j RETURN
COMMIT
`;

describe("rules of the cluster", () => {
  test("are recognised in a rule set, and not where there are none", () => {
    expect(hasKubernetesChains(withCluster)).toBe(true);
    expect(hasKubernetesChains(own)).toBe(false);
    expect(hasKubernetesChains("")).toBe(false);
  });

  test("go, and every rule of somebody else stays", () => {
    const cleaned = withoutKubernetesChains(withCluster);
    expect(hasKubernetesChains(cleaned)).toBe(false);
    expect(normalisedRules(cleaned)).toBe(normalisedRules(own));
  });

  test("leave tables that do nothing, named so that they can be removed", () => {
    expect(emptyTables(withoutKubernetesChains(withCluster))).toEqual(["nat"]);
    expect(tableNames(withCluster)).toEqual(["nat", "filter"]);
  });

  test("a table with a policy other than ACCEPT does something", () => {
    expect(emptyTables("*filter\n:INPUT DROP [0:0]\nCOMMIT\n")).toEqual([]);
  });

  test("compare without counters and comments", () => {
    expect(normalisedRules(own)).toBe(normalisedRules(`# later\n${own.replace("[10:200]", "[77:1]")}`));
    expect(normalisedRules(own)).not.toBe(normalisedRules(own.replace("22", "23")));
  });
});
