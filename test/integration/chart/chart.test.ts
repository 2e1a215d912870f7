import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { ensureBinaries } from "@bellwether/k3s/binaries";
import { nodeAgentConfig } from "@bellwether/node-agent/config";
import { operatorConfig } from "@bellwether/operator/config";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ControlPlane, describeWithControlPlane } from "../control-plane.ts";
import { type Helm, startHelm } from "./helm.ts";
import { writeSchemas } from "./openapi-schemas.ts";
import { type Manifest, containersOf, podsAtOnce, podTemplateOf, requestedMillicores, valuesTable } from "./pods.ts";

const run = promisify(execFile);
const variants: { name: string; values: object }[] = [
  { name: "as it comes", values: {} },
  { name: "with a Postgres of one's own and no Valkey", values: { postgres: { enabled: false }, valkey: { enabled: false } } },
  {
    name: "without node agent, network policies and hooks",
    values: { nodeAgent: { enabled: false }, networkPolicies: { enabled: false }, hooks: { drain: { enabled: false } } },
  },
  {
    name: "with everything set",
    values: {
      images: { operator: "localhost/bellwether/operator:abc" },
      imagePullSecrets: ["pull"],
      operator: { replicas: 2, watchNamespaces: ["a", "b"], config: { finalizerDeadlineMs: 5000 } },
      networkPolicies: { metricsFrom: [{ namespaceSelector: { matchLabels: { name: "monitoring" } } }] },
      postgres: { storage: { storageClassName: "local", size: "1Gi" } },
      nodeAgent: { podResourcesDirectory: "/var/lib/other/pod-resources" },
    },
  },
];

await describeWithControlPlane("the chart", {}, (plane) => {
  let helm: Helm;
  let schemas: string;

  beforeAll(async () => {
    helm = await startHelm();
    for (const namespace of ["bellwether", "bellwether-node", "restricted"])
      await plane().kubectl(["create", "namespace", namespace]);
    schemas = await writeSchemas(plane(), path.join(helm.directory, "schemas"));
    await plane().kubectl(["label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted"]);
  }, 900_000);
  afterAll(() => helm?.close());

  test("passes helm lint", async () => {
    expect(await helm.lint()).toContain("0 chart(s) failed");
  });

  describe.each(variants)("$name", ({ values }) => {
    test("passes kubeconform with the API server's own schemas", async () => {
      const { kubeconform } = await ensureBinaries(["kubeconform"]);
      const file = path.join(helm.directory, "rendered.yaml");
      writeFileSync(file, await helm.render(values));
      const { stdout } = await output(kubeconform, ["-strict", "-summary", "-schema-location", schemas, file]);
      expect(stdout).toContain("Invalid: 0, Errors: 0, Skipped: 0");
    });

    test("passes a server-side dry run", async () => {
      const args = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
      const { code, stderr } = await plane().kubectl(args, await helm.render(values));
      expect({ code, stderr: stderr.replaceAll(/^Warning:.*\n/gm, "") }).toEqual({ code: 0, stderr: "" });
    });

    test("renders configurations that operator and node agent take", async () => {
      const configMaps = (await helm.manifests(values)).filter(({ kind }) => kind === "ConfigMap");
      const text = (name: string) => configMaps.find(({ metadata }) => metadata.name === name)?.data?.["config.json"];
      expect(operatorConfig.safeParse(JSON.parse(text("bellwether-operator") ?? "")).error).toBeUndefined();
      const nodeAgent = text("bellwether-node-agent");
      if (nodeAgent !== undefined) expect(nodeAgentConfig.safeParse(JSON.parse(nodeAgent)).error).toBeUndefined();
    });
  });

  test("keeps every pod but the node agent's to the restricted standard of pod security", async () => {
    const pods = (await helm.manifests({})).flatMap((manifest) => podsAsRestricted(manifest));
    expect(pods.map(({ metadata }) => metadata.name).sort()).toEqual([
      "bellwether-drain-hook",
      "bellwether-operator",
      "bellwether-secret-hook",
      "postgres",
      "valkey",
    ]);
    for (const pod of pods) {
      const { code, stderr } = await plane().kubectl(["create", "--dry-run=server", "-f", "-"], JSON.stringify(pod));
      expect({ pod: pod.metadata.name, code, stderr }).toEqual({ pod: pod.metadata.name, code: 0, stderr: "" });
    }
  });

  test("gives every container a read-only root, no capability and a memory limit, and the node agent alone a user 0", async () => {
    for (const manifest of await helm.manifests({})) {
      for (const container of containersOf(manifest)) {
        expect(container).toMatchObject({
          securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
          resources: { limits: { memory: expect.any(String) as string } },
        });
        if (container.securityContext["runAsUser"] === 0) expect(manifest.metadata.name).toBe("bellwether-node-agent");
      }
    }
  });

  test("asks for at most 900m with every component, hook Job, rollout and the pods of one policy", async () => {
    const rows = (await helm.manifests({})).flatMap((manifest) => podsAtOnce(manifest));
    const { risk, broker, agent, gateway } = operatorConfig.parse({
      images: { agent: "a", risk: "r", broker: "b", gateway: "g", ollama: "o" },
    });
    // Made by the operator: one policy with two accounts, one route (its gateway twice, during a rollout), two shared agents (backtests); and the
    // cluster's DNS as k3s has it.
    const made = [risk, broker, broker, gateway, gateway].map(({ cpuRequest }) => cpuRequest);
    made.push(agent.sharedCpuRequest, agent.sharedCpuRequest, "100m");
    const largestHook = Math.max(...rows.filter(({ hook }) => hook).map(({ millicores }) => millicores));
    const standing = rows.filter(({ hook }) => !hook).reduce((sum, { millicores }) => sum + millicores, 0);
    const total = standing + largestHook + made.reduce((sum, quantity) => sum + requestedMillicores(quantity), 0);
    expect(rows.length).toBeGreaterThanOrEqual(5);
    expect(total).toBeLessThanOrEqual(900);
    expect(total, "the table in values.yaml").toBe(valuesTable());
  });

  test("refuses values that it does not know", async () => {
    await expect(helm.render({ operators: {} })).rejects.toThrow(/operators/);
    await expect(helm.render({ operator: { replicas: 99 } })).rejects.toThrow(/replicas/);
  });

  test("gives the operator what it needs and no more", async () => {
    const roles = (await helm.manifests({})).filter(
      ({ kind, metadata }) => /Role/.test(kind) && metadata.name === "bellwether-operator",
    );
    await plane().kubectl(
      ["apply", "--server-side", "-f", "-"],
      JSON.stringify({ apiVersion: "v1", kind: "List", items: roles }),
    );
    const may = (verb: string, resource: string): Promise<boolean> => canI(plane(), verb, resource);
    expect(await may("patch", "strategies.bellwether.dev/status")).toBe(true);
    expect(await may("create", "pods")).toBe(true);
    expect(await may("get", "secrets")).toBe(false);
    expect(await may("create", "pods/exec")).toBe(false);
    expect(await may("delete", "nodes")).toBe(false);
    expect(await may("update", "customresourcedefinitions.apiextensions.k8s.io")).toBe(false);
  });
});

/** Standard output of a command, whatever its exit code. */
const output = (command: string, args: readonly string[]): Promise<{ stdout: string }> =>
  run(command, [...args]).catch((error: unknown) => error as { stdout: string });

async function canI(plane: ControlPlane, verb: string, resource: string): Promise<boolean> {
  const [name = "", subresource] = resource.split("/");
  const as = ["--as", "system:serviceaccount:bellwether:bellwether-operator"];
  const sub = subresource === undefined ? [] : [`--subresource=${subresource}`];
  const { stdout } = await plane.kubectl(["auth", "can-i", verb, name, ...sub, "-n", "bellwether", ...as]);
  return stdout.trim() === "yes";
}

function podsAsRestricted(manifest: Manifest): Manifest[] {
  const template = podTemplateOf(manifest);
  if (!template || manifest.metadata.name === "bellwether-node-agent") return [];
  // Claims come with the StatefulSet, not with its pod template.
  const claimed = manifest.kind === "StatefulSet" ? [{ name: "data", emptyDir: {} }] : [];
  const spec = { ...template.spec, volumes: [...(template.spec.volumes ?? []), ...claimed] };
  return [{ apiVersion: "v1", kind: "Pod", metadata: { name: manifest.metadata.name, namespace: "restricted" }, spec }];
}
