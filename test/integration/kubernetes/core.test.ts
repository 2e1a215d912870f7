import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  CachedClient,
  Controller,
  EventRecorder,
  type KubernetesError,
  type KubernetesObject,
  LeaderElection,
  type Resource,
  connectTo,
  controllerReference,
  defineResource,
  done,
  ensureChild,
  events,
  isKubernetesError,
  leases,
  loadClusterAccess,
  statusPatch,
} from "@bellwether/kubernetes";
import { describe, expect, onTestFinished, test } from "vitest";
import { describeWithControlPlane } from "../control-plane.ts";
import { type ConfigMap, around, configMap, configMaps, connected, pods, watched } from "./fixtures.ts";

/** Children of every kind that controllers make; the API server fills in its defaults. */
const children: readonly [string, Resource, object][] = [
  ["ConfigMap", configMaps, { data: { "config.json": "{}", empty: "" } }],
  [
    "ServiceAccount",
    kind("", "serviceaccounts", "ServiceAccount"),
    { automountServiceAccountToken: false, imagePullSecrets: [{ name: "registry" }] },
  ],
  [
    "Service",
    kind("", "services", "Service"),
    { spec: { selector: { a: "b" }, ports: [{ name: "api", port: 8080, targetPort: "api" }, { name: "metrics", port: 9090 }] } }, // prettier-ignore
  ],
  ["Pod", pods, { spec: podSpec() }],
  [
    "StatefulSet",
    kind("apps", "statefulsets", "StatefulSet"),
    {
      spec: {
        replicas: 1,
        serviceName: "s",
        selector: { matchLabels: { a: "b" } },
        template: { metadata: { labels: { a: "b" } }, spec: { ...podSpec(), restartPolicy: "Always" } },
        volumeClaimTemplates: [
          {
            metadata: { name: "state" },
            spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1024Mi" } } },
          },
        ],
      },
    },
  ],
  [
    "NetworkPolicy",
    kind("networking.k8s.io", "networkpolicies", "NetworkPolicy"),
    {
      spec: {
        podSelector: {},
        policyTypes: ["Ingress", "Egress"],
        ingress: [],
        egress: [
          { ports: [{ port: 53, protocol: "UDP" }, { port: 53 }] },
          { to: [{ podSelector: { matchLabels: { a: "b" } } }] },
        ],
      },
    },
  ],
];

function kind(group: string, plural: string, name: string): Resource {
  return defineResource({ group, version: "v1", plural, kind: name, namespaced: true });
}

function podSpec(): object {
  return {
    serviceAccountName: "default",
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    restartPolicy: "Never",
    hostNetwork: false,
    terminationGracePeriodSeconds: 10,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
    containers: [
      {
        name: "agent",
        image: "registry.example/agent:1",
        args: [],
        env: [{ name: "A", value: "" }, { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }], // prettier-ignore
        ports: [{ name: "metrics", containerPort: 9090 }],
        resources: { requests: { cpu: "1000m", memory: "1024Mi" }, limits: { cpu: 1, memory: "1Gi" } },
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
        readinessProbe: { httpGet: { path: "/readyz", port: "metrics" }, periodSeconds: 2 },
        volumeMounts: [{ name: "config", mountPath: "/etc/bellwether", readOnly: true }, { name: "tmp", mountPath: "/tmp" }], // prettier-ignore
      },
    ],
    volumes: [
      { name: "config", configMap: { name: "c" } },
      { name: "tmp", emptyDir: { sizeLimit: "16Mi" } },
      {
        name: "token",
        projected: {
          sources: [{ serviceAccountToken: { audience: "risk.bellwether.dev", path: "token", expirationSeconds: 3600 } }],
        },
      },
    ],
  };
}

async function errorOf(promise: Promise<unknown>): Promise<KubernetesError | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    if (isKubernetesError(error)) return error;
    throw error;
  }
}

await describeWithControlPlane("the Kubernetes core on a real API server", { crds: false }, (plane) => {
  describe("children", () => {
    const name = (suffix: string) => `child-${suffix.toLowerCase()}`;

    async function owned(suffix: string) {
      const { client } = await connected(plane().kubeconfig);
      const owner = await client.apply(configMaps, configMap(`owner-${suffix.toLowerCase()}`));
      return { client, owner: controllerReference(owner, configMaps) };
    }

    test.each(children)("a %s that was applied is a subset of what the API server made of it", async (suffix, resource, rest) => {
      const { client, owner } = await owned(suffix);
      const metadata = { name: name(suffix), namespace: "default", labels: { "app.kubernetes.io/part-of": "test" } };
      const apiVersion = resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
      const desired: KubernetesObject = { apiVersion, kind: resource.kind, metadata, ...rest };
      const first = await ensureChild(client, { resource, desired, live: undefined, owner });
      expect(first.action).toBe("applied");
      const live = await client.get(resource, { namespace: "default", name: name(suffix) });
      expect((await ensureChild(client, { resource, desired, live, owner })).action).toBe("unchanged");
    });

    test("a field that is no longer desired goes away, and others' fields stay", async () => {
      const { client, owner } = await owned("fields");
      const ref = { namespace: "default", name: "fields" };
      const ensure = async (data: Record<string, string>) =>
        ensureChild(client, {
          resource: configMaps,
          desired: configMap("fields", data),
          live: await client.get(configMaps, ref),
          owner,
        });
      await ensure({ kept: "1", gone: "1" });
      await plane().kubectl(["annotate", "configmap", "fields", "somebody=else"]);
      await ensure({ kept: "1" });
      const live = await client.get(configMaps, ref);
      expect(live?.data).toEqual({ kept: "1" });
      expect(live?.metadata.annotations).toMatchObject({ somebody: "else" });
    });

    test("a name that is taken is refused and left alone", async () => {
      const { client, owner } = await owned("taken");
      await plane().kubectl(["create", "configmap", "taken", "--from-literal=theirs=yes"]);
      const desired = configMap("taken", { ours: "yes" });
      const error = await errorOf(ensureChild(client, { resource: configMaps, desired, live: undefined, owner }));
      expect(error?.code).toBe("NAME_TAKEN");
      expect((await client.get(configMaps, { namespace: "default", name: "taken" }))?.data).toEqual({ theirs: "yes" });
    });
  });

  describe("the client", () => {
    test("gives errors a code", async () => {
      const { client } = await connected(plane().kubeconfig);
      const ref = { namespace: "default", name: "codes" };
      const created = await client.create(configMaps, configMap("codes"));
      expect((await errorOf(client.create(configMaps, configMap("codes"))))?.code).toBe("ALREADY_EXISTS");
      await client.apply(configMaps, configMap("codes", { a: "1" }));
      expect((await errorOf(client.replace(configMaps, created)))?.code).toBe("CONFLICT");
      expect((await errorOf(client.delete(configMaps, ref, { uid: "another" })))?.code).toBe("CONFLICT");
      expect((await errorOf(client.apply(configMaps, configMap("Not A Name"))))?.code).toBe("INVALID");
      expect(await client.delete(configMaps, ref)).toBe(true);
      expect(await client.delete(configMaps, ref)).toBe(false);
      expect(await client.get(configMaps, ref)).toBeUndefined();
    });

    test("is refused what its role does not allow", async () => {
      const { client } = await connected(await plane().kubeconfigFor("nobody"));
      const error = await errorOf(client.list(configMaps));
      expect(error).toMatchObject({ code: "FORBIDDEN", context: { status: 403, reason: "Forbidden" } });
    });

    test("speaks for a pod by its service account's token", async () => {
      const directory = mkdtempSync(path.join(tmpdir(), "bw-sa-"));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      await plane().kubectl(["create", "serviceaccount", "speaker"]);
      const { stdout } = await plane().kubectl(["create", "token", "speaker"]);
      writeFileSync(path.join(directory, "token"), stdout);
      writeFileSync(path.join(directory, "ca.crt"), plane().credentials.ca);
      const { hostname, port } = new URL(plane().url);
      const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
      const access = await loadClusterAccess({ env, clock: around.clock, serviceAccountDir: directory });
      const connection = connectTo({ access, ...around });
      onTestFinished(() => connection.close());
      const error = await errorOf(connection.client.list(configMaps, { namespace: "default" }));
      expect(error?.message).toContain("system:serviceaccount:default:speaker");
    });

    test("reads paths that are no objects", async () => {
      const { client } = await connected(plane().kubeconfig);
      const { status, text } = await client.raw("/openid/v1/jwks");
      expect(status).toBe(200);
      expect(JSON.parse(text)).toHaveProperty("keys");
    });
  });

  describe("an informer", () => {
    test("lists in pages, follows changes and holds no managed fields", async () => {
      const { client } = await connected(plane().kubeconfig);
      const labels = { test: "informer" };
      const count = 620;
      for (let start = 0; start < count; start += 20) {
        const batch = Array.from({ length: 20 }, (_, offset) => configMap(`many-${start + offset}`, {}, { labels }));
        await Promise.all(batch.map((object) => client.create(configMaps, object)));
      }
      const informer = await watched(client, configMaps, { namespaces: ["default"], labels });
      expect(informer.cache.size).toBe(count);
      await client.delete(configMaps, { namespace: "default", name: "many-0" });
      await client.create(configMaps, configMap("many-more", {}, { labels }));
      await client.create(configMaps, configMap("not-selected"));
      await expect.poll(() => informer.cache.get("default/many-more")).toBeDefined();
      await expect.poll(() => informer.cache.size).toBe(count);
      expect([...informer.cache.list()].every(({ metadata }) => metadata.managedFields === undefined)).toBe(true);
      expect(informer.blindMs()).toBe(0);
    });
  });

  test("a controller brings 150 objects to rest and then writes nothing", async () => {
    const { client: plain } = await connected(plane().kubeconfig);
    const labels = { test: "rest" };
    const informer = await watched(plain, configMaps, { namespaces: ["default"], labels });
    const client = new CachedClient(plain, [informer]);
    let reconciles = 0;
    const reconcile = async (key: string) => {
      reconciles++;
      const live = informer.cache.get(key);
      // ConfigMaps have no status; the same comparison stands before every kind of write.
      const patch = live && statusPatch(live.data, { ...live.data, seen: "yes" });
      if (live && patch) await client.patch<ConfigMap>(configMaps, { ref: live.metadata, patch: { data: patch } });
      return done;
    };
    const stop = new AbortController();
    const running = new Controller({ kind: "ConfigMap", reconcile, ...around }).watch(informer).run(stop.signal);
    onTestFinished(async () => {
      stop.abort(new Error("end of test"));
      await running;
    });
    for (let index = 0; index < 150; index++) await plain.create(configMaps, configMap(`rest-${index}`, {}, { labels }));
    await expect
      .poll(() => [...informer.cache.list()].filter(({ data }) => data?.["seen"] === "yes").length, { timeout: 20_000 })
      .toBe(150);
    // Every echo has been taken in once a later change has come through the watch.
    await plain.create(configMaps, configMap("rest-last", { seen: "yes" }, { labels }));
    await expect.poll(() => informer.cache.size).toBe(151);
    expect(reconciles).toBeLessThanOrEqual(152);
  });

  describe("events", () => {
    test("appear on their object, and repeated ones as a series", async () => {
      const { client } = await connected(plane().kubeconfig);
      let nowMs = Date.now();
      const clock = { ...around.clock, nowMs: () => nowMs };
      const recorder = new EventRecorder({
        client,
        clock,
        log: around.log,
        controller: "bellwether.dev/test",
        instance: "test-0",
      });
      const object = await client.create(configMaps, configMap("eventful"));
      const text = { type: "Warning", reason: "NameTaken", action: "Apply", note: "the name is taken" } as const;
      recorder.record(object, text);
      nowMs += 301_000;
      recorder.record(object, text);
      await recorder.flush();
      const { items } = await client.list(events, { namespace: "default", fieldSelector: "regarding.name=eventful" });
      expect(items).toMatchObject([{ ...text, series: { count: 2 } }]);
      const { stdout } = await plane().kubectl(["describe", "configmap", "eventful"]);
      expect(stdout).toContain("the name is taken");
    });
  });

  describe("leader election", () => {
    test("lets one of two replicas act, and hands over in order", async () => {
      const log: string[] = [];
      async function replica(identity: string): Promise<AbortController> {
        const { client } = await connected(plane().kubeconfig);
        const times = { leaseDurationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 200 };
        const election = new LeaderElection({ client, ...around, ...times, namespace: "default", name: "core-test", identity });
        const stop = new AbortController();
        const lead = async (term: AbortSignal): Promise<void> => {
          log.push(`${identity} begins`);
          await new Promise<void>((resolve) => term.addEventListener("abort", () => resolve(), { once: true }));
          log.push(`${identity} ends`);
        };
        const running = election.run(lead, stop.signal);
        onTestFinished(async () => {
          stop.abort(new Error("end of test"));
          await running;
        });
        return stop;
      }
      const first = await replica("first");
      await expect.poll(() => log).toEqual(["first begins"]);
      await replica("second");
      const { client } = await connected(plane().kubeconfig);
      const lease = () => client.get(leases, { namespace: "default", name: "core-test" });
      const before = await lease();
      await expect.poll(async () => (await lease())?.spec?.renewTime, { timeout: 5000 }).not.toBe(before?.spec?.renewTime);
      expect(log).toEqual(["first begins"]);
      first.abort(new Error("stopped"));
      await expect.poll(() => log, { timeout: 10_000 }).toEqual(["first begins", "first ends", "second begins"]);
      expect((await lease())?.spec).toMatchObject({ holderIdentity: "second", leaseTransitions: 1 });
    });
  });
});
