import { type ApiClient, type KubernetesObject, defineResource } from "@bellwether/kubernetes";
import { createApiServer, silentLogger } from "@bellwether/service-kit";
import type { FastifyInstance } from "fastify";
import type { ControlPlane } from "../control-plane.ts";

export interface Pod extends KubernetesObject {
  readonly spec: {
    readonly nodeName?: string;
    readonly containers: readonly { readonly resources?: { readonly limits?: Record<string, string> } }[];
  };
  readonly status?: { readonly phase?: string };
}
export const pods = defineResource<Pod>({ group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true });
const nodes = defineResource({ group: "", version: "v1", plural: "nodes", kind: "Node", namespaced: false });
const namespaces = defineResource({ group: "", version: "v1", plural: "namespaces", kind: "Namespace", namespaced: false });

/** A node without machine: binds pods, runs them in name only, hands out cores as the static policy does, and says so as the node agent does. */
export class FakeNode {
  readonly #client: ApiClient;
  readonly #plane: ControlPlane;
  readonly #stop = new AbortController();
  readonly #cpusByPod = new Map<string, string>();
  #server: FastifyInstance | undefined;
  #loop: Promise<void> | undefined;
  policy: "static" | "none" = "static";
  /** Pods that are bound but never become ready. */
  readonly stuck = new Set<string>();
  port = 0;

  constructor(client: ApiClient, plane: ControlPlane) {
    this.#client = client;
    this.#plane = plane;
  }

  /** Two cores: one shared, one exclusive; 1900m allocatable, as the drop-in makes it. */
  async start(): Promise<void> {
    await this.#client.create(nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "droplet" } });
    const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady", message: "" }];
    await this.#client.patchStatus(
      nodes,
      { name: "droplet" },
      {
        capacity: { cpu: "2", memory: "8Gi", pods: "110" },
        allocatable: { cpu: "1900m", memory: "8Gi", pods: "110" },
        conditions,
      },
    );
    const server = createApiServer({ log: silentLogger });
    this.#server = server;
    server.get("/v1/cpus", async () => this.#cpus());
    this.port = Number(new URL(await server.listen({ port: 0, host: "127.0.0.1" })).port);
    await this.#client.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "bellwether-node" } });
    await this.#plane.kubectl(
      ["create", "-f", "-"],
      JSON.stringify({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "node-agent-x", namespace: "bellwether-node", labels: { "app.kubernetes.io/component": "node-agent" } },
        spec: { nodeName: "droplet", containers: [{ name: "node-agent", image: "x", resources: { requests: { cpu: "20m" } } }] },
      }),
    );
    await this.#client.patchStatus(
      pods,
      { namespace: "bellwether-node", name: "node-agent-x" },
      { phase: "Running", podIP: "127.0.0.1" },
    );
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await this.#server?.close();
  }

  /** Ends a pod's one container with an exit code and a termination message. */
  async end(namespace: string, name: string, { exitCode, message }: { exitCode: number; message: string }): Promise<void> {
    const terminated = { exitCode, message, reason: exitCode === 0 ? "Completed" : "Error", startedAt: now(), finishedAt: now() };
    await this.#client.patchStatus(
      pods,
      { namespace, name },
      {
        phase: exitCode === 0 ? "Succeeded" : "Failed",
        conditions: [{ type: "Ready", status: "False", lastTransitionTime: now() }],
        containerStatuses: [{ name: "agent", ready: false, restartCount: 0, image: "x", imageID: "x", state: { terminated } }],
      },
    );
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const { items } = await this.#client.list(pods);
      for (const pod of items) await this.#look(pod).catch(() => undefined); // Gone meanwhile: the next look sees it.
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  async #look(pod: Pod): Promise<void> {
    const { name = "", namespace = "", deletionTimestamp } = pod.metadata;
    const ref = { namespace, name };
    if (deletionTimestamp !== undefined) {
      this.#cpusByPod.delete(`${namespace}/${name}`);
      await this.#client.delete(pods, ref, { gracePeriodSeconds: 0 });
    } else if (pod.spec.nodeName === undefined) {
      const binding = {
        apiVersion: "v1",
        kind: "Binding",
        metadata: { name },
        target: { apiVersion: "v1", kind: "Node", name: "droplet" },
      };
      await this.#plane.kubectl(
        ["create", "--raw", `/api/v1/namespaces/${namespace}/pods/${name}/binding`, "-f", "-"],
        JSON.stringify(binding),
      );
    } else if ((pod.status?.phase ?? "Pending") === "Pending" && !this.stuck.has(name)) {
      const { cpu } = pod.spec.containers[0]?.resources?.limits ?? {};
      if (cpu === "1" && this.policy === "static") this.#cpusByPod.set(`${namespace}/${name}`, "1");
      await this.#client.patchStatus(pods, ref, {
        phase: "Running",
        conditions: [{ type: "Ready", status: "True", lastTransitionTime: now() }],
      });
    }
  }

  #cpus() {
    const isStatic = this.policy === "static";
    return {
      node: "droplet",
      policy: this.policy,
      exclusivePool: isStatic ? "1" : "",
      exclusivePoolCores: isStatic ? 1 : 0,
      pods: [...this.#cpusByPod].map(([key, cpus]) => {
        const [namespace = "", name = ""] = key.split("/");
        return { namespace, name, containers: [{ name: "agent", cpus }] };
      }),
    };
  }
}

const now = (): string => `${new Date().toISOString().slice(0, 19)}Z`;
