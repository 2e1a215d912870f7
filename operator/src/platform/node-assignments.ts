/** What the kubelets say about their CPUs, asked from the node agent of each node every few seconds. */
import { type NodeCpus, nodeCpus } from "@bellwether/node-agent/config";
import { type Clock, type Logger, ServiceClient, messageOf } from "@bellwether/service-kit";
import type { Assignment } from "../ledger/pinned.ts";

export interface NodeAgentRef {
  readonly node: string;
  /** `http://10.42.0.7:8080` */
  readonly url: string;
}

export interface NodeAssignmentsOptions {
  /** The node agents that run now. */
  nodeAgents(): readonly NodeAgentRef[];
  readonly tokenFile: string;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when anything the kubelet of a node says has changed, or when it can no longer be heard. */
  onChange(node: string): void;
}

interface Heard {
  cpus: NodeCpus | undefined;
  atMs: number;
  failures: number;
  message: string;
}

/** A node agent that is replaced is away for a few looks; what it said holds meanwhile. */
const toleratedFailures = 3;
const timeoutMs = 3_000;

export class NodeAssignments {
  readonly #options: NodeAssignmentsOptions;
  readonly #clients = new Map<string, ServiceClient>();
  readonly #heard = new Map<string, Heard>();
  readonly #firstRound = Promise.withResolvers<void>();

  constructor(options: NodeAssignmentsOptions) {
    this.#options = options;
  }

  /** Resolves when every node agent has been asked once, whatever came of it: see `RiskLink.looked`. */
  async looked(): Promise<void> {
    await this.#firstRound.promise;
  }

  /** Policy and pool of a node, as last heard; undefined before its node agent has ever answered. */
  node(name: string): Pick<NodeCpus, "policy" | "exclusivePoolCores"> | undefined {
    return this.#heard.get(name)?.cpus;
  }

  /** @param sinceMs what was said before the pod was ready says nothing about it */
  of(pod: { node: string | undefined; namespace: string; name: string; sinceMs: number }): Assignment {
    const heard = pod.node === undefined ? undefined : this.#heard.get(pod.node);
    if (!heard?.cpus) return { known: false, message: heard?.message ?? "the node agent of the pod's node has not answered yet" };
    if (heard.failures > toleratedFailures) return { known: false, message: heard.message };
    const found = heard.cpus.pods.find(({ namespace, name }) => namespace === pod.namespace && name === pod.name);
    if (!found && heard.cpus.policy === "static" && heard.atMs < pod.sinceMs) {
      return { known: false, message: "the node agent has not been asked since the agent started" };
    }
    return { known: true, policy: heard.cpus.policy, cpus: found?.containers[0]?.cpus };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#options;
    while (!signal.aborted) {
      const agents = this.#options.nodeAgents();
      await Promise.all(agents.map((agent) => this.#ask(agent, signal)));
      this.#firstRound.resolve();
      this.#forgetAllBut(agents);
      await clock.sleep(intervalMs, signal).catch(() => undefined);
    }
    this.#firstRound.resolve();
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  async #ask({ node, url }: NodeAgentRef, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const heard = this.#heard.get(node) ?? { cpus: undefined, atMs: 0, failures: 0, message: "" };
    const askedMs = clock.nowMs();
    try {
      const cpus = await this.#client(url).get("/v1/cpus", { schema: nodeCpus, signal });
      const isNews =
        JSON.stringify(cpus) !== JSON.stringify(heard.cpus) || heard.failures > toleratedFailures || heard.atMs === 0;
      this.#heard.set(node, { cpus, atMs: askedMs, failures: 0, message: "" });
      if (isNews) this.#options.onChange(node);
    } catch (error) {
      if (signal.aborted) return;
      const failures = heard.failures + 1;
      this.#heard.set(node, { ...heard, failures, message: `the node agent of ${node} does not answer` });
      if (failures !== toleratedFailures + 1) return;
      log.warn({ node, err: error }, `the node agent does not answer: ${messageOf(error)}`);
      this.#options.onChange(node);
    }
  }

  #client(url: string): ServiceClient {
    const known = this.#clients.get(url);
    if (known) return known;
    const client = new ServiceClient({ baseUrl: url, tokenFile: this.#options.tokenFile, clock: this.#options.clock, timeoutMs });
    this.#clients.set(url, client);
    return client;
  }

  /** A node agent that was replaced has another address; its old client would keep a connection for nothing. */
  #forgetAllBut(agents: readonly NodeAgentRef[]): void {
    const urls = new Set(agents.map(({ url }) => url));
    for (const [url, client] of this.#clients) {
      if (urls.has(url)) continue;
      this.#clients.delete(url);
      void client.close();
    }
  }
}
