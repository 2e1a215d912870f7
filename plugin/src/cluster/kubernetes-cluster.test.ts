import { type KubernetesErrorCode, KubernetesError } from "@bellwether/kubernetes";
import { FakeCluster } from "@bellwether/kubernetes/testing";
import { describe, expect, test } from "vitest";
import { PluginError } from "../errors.ts";
import { policyObject, strategyObject } from "../testing/fake-world.ts";
import { KubernetesCluster, faultOf } from "./kubernetes-cluster.ts";

describe("what the API server says, in the plugin's terms", () => {
  test.each([
    ["FORBIDDEN", "FORBIDDEN"],
    ["CONFLICT", "CHANGED_MEANWHILE"],
    ["NOT_FOUND", "KINDS_NOT_FOUND"],
    ["UNREACHABLE", "CLUSTER_UNREACHABLE"],
    ["TIMEOUT", "CLUSTER_UNREACHABLE"],
    ["UNAUTHORIZED", "CLUSTER_UNREACHABLE"],
    ["CLUSTER_ACCESS_INVALID", "CLUSTER_UNREACHABLE"],
    ["INVALID", "CLUSTER_REFUSED"],
    ["SERVER_ERROR", "CLUSTER_REFUSED"],
  ] as const satisfies readonly (readonly [KubernetesErrorCode, string])[])("%s is %s", (code, becomes) => {
    const fault = faultOf(new KubernetesError(code, "its words"), { what: "list riskpolicies", namespace: "demo" });
    expect(fault).toMatchObject({ code: becomes, message: "cannot list riskpolicies in namespace demo: its words" });
  });

  test("what nobody foresaw stays what it is", () => {
    const bug = new TypeError("x");
    expect(faultOf(bug, { what: "x", namespace: undefined })).toBe(bug);
  });
});

describe("the cluster", () => {
  test("lists, annotates under a guard, and passes dry runs on", async () => {
    const api = new FakeCluster();
    await api.create(
      { group: "bellwether.dev", version: "v1alpha1", plural: "riskpolicies", kind: "RiskPolicy", namespaced: true },
      policyObject("demo"),
    );
    await api.create(
      { group: "bellwether.dev", version: "v1alpha1", plural: "strategies", kind: "Strategy", namespaced: true },
      strategyObject("trend", "demo"),
    );
    const cluster = new KubernetesCluster(api, "demo");
    const [policy] = await cluster.policies();
    expect((await cluster.strategies()).map(({ metadata }) => metadata.name)).toEqual(["trend"]);
    const { resourceVersion = "" } = policy?.metadata ?? {};
    await cluster.annotate("demo", { annotations: { a: "1" }, resourceVersion, dryRun: false });
    expect((await cluster.policy("demo"))?.metadata.annotations).toEqual({ a: "1" });
    expect(await cluster.policy("other")).toBeUndefined();
  });

  test("a person whom the API server does not name is unknown, and no reason to fail", async () => {
    const api = new FakeCluster();
    api.failNext("create", new KubernetesError("FORBIDDEN", "no reviews"));
    expect(await new KubernetesCluster(api, "demo").whoAmI()).toBe("unknown");
  });

  test("a policy that is gone is told as such", async () => {
    const api = new FakeCluster();
    const error = await new KubernetesCluster(api, "demo")
      .annotate("demo", { annotations: {}, dryRun: false })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PluginError);
    expect(error).toMatchObject({ code: "POLICY_NOT_FOUND" });
  });
});
