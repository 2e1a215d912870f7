/** The benchmark's own eyes and hands on the API server: creates and changes Probes, and sees when they are ready. */
import { setTimeout as pause } from "node:timers/promises";
import { type Connection, Informer, connectTo, loadClusterAccess } from "@bellwether/kubernetes";
import { systemClock as clock } from "@bellwether/service-kit/clock";
import { silentLogger as log } from "@bellwether/service-kit/logger";
import { systemRandom as random } from "@bellwether/service-kit/random";
import { type Probe, configMaps, isReady, probes } from "./probes.ts";

const creators = 20;

export class Observer {
  readonly #connection: Connection;
  readonly #namespace: string;
  /** Generation that was last seen ready, and when; by name. */
  readonly #ready = new Map<string, { readonly generation: number; readonly atMs: number }>();
  readonly #stop = new AbortController();
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;

  private constructor(connection: Connection, namespace: string) {
    this.#connection = connection;
    this.#namespace = namespace;
  }

  /** Watches the Probes of a new namespace, straight at the API server. */
  static async start(kubeconfig: string, namespace: string): Promise<Observer> {
    const connection = connectTo({ access: await loadClusterAccess({ env: { KUBECONFIG: kubeconfig }, clock }), clock, random });
    const observer = new Observer(connection, namespace);
    await observer.#begin();
    return observer;
  }

  async #begin(): Promise<void> {
    const informer = new Informer<Probe>({
      client: this.#connection.client,
      resource: probes,
      namespaces: [this.#namespace],
      clock,
      random,
      log,
    });
    informer.cache.subscribe(({ object }) => {
      if (!isReady(object)) return;
      const generation = object.metadata.generation ?? 0;
      if ((this.#ready.get(object.metadata.name)?.generation ?? 0) >= generation) return;
      this.#ready.set(object.metadata.name, { generation, atMs: performance.now() });
      this.#wake();
    });
    this.#running = informer.run(this.#stop.signal);
    await informer.synced();
  }

  /** Creates Probes `from` … `to − 1`, several at a time, and waits until all are ready. Returns milliseconds from the first create to the last one ready. */
  async fill(from: number, to: number): Promise<number> {
    const startedAtMs = performance.now();
    let next = from;
    const create = async (): Promise<void> => {
      for (let index = next++; index < to; index = next++) await this.#create(nameOf(index), `v${index}`);
    };
    await Promise.all(Array.from({ length: creators }, create));
    const names = Array.from({ length: to - from }, (_, offset) => nameOf(from + offset));
    await this.#until(() => names.every((name) => this.#ready.has(name)), 180_000);
    return Math.max(...names.map((name) => this.#ready.get(name)?.atMs ?? 0)) - startedAtMs;
  }

  /** Creates one Probe and waits for it: the operator is up. */
  async canary(): Promise<void> {
    await this.#create("canary", "v");
    await this.#until(() => this.#ready.has("canary"), 60_000);
    await pause(1500);
  }

  /** Changes a Probe. Returns milliseconds from the answer to the change to its ready status; undefined after `limitMs`. */
  async change(index: number, limitMs: number): Promise<number | undefined> {
    const ref = { namespace: this.#namespace, name: nameOf(index) };
    const changed = await this.#connection.client.patch(probes, { ref, patch: { spec: { value: `c${performance.now()}` } } });
    const atMs = performance.now();
    const generation = changed.metadata.generation ?? 0;
    const seen = (): boolean => (this.#ready.get(ref.name)?.generation ?? 0) >= generation;
    if (!(await this.#until(seen, limitMs).then(() => true, () => false))) return undefined; // prettier-ignore
    return Math.max(0, (this.#ready.get(ref.name)?.atMs ?? 0) - atMs);
  }

  /** Creates Probes `0` … `count − 1` with the ConfigMaps that an operator would make, where none runs. */
  async furnish(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const name = nameOf(index);
      await this.#create(name, "v");
      const metadata = { name, namespace: this.#namespace };
      await this.#connection.client.create(configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { value: "v" } });
    }
  }

  /** As `change`, but the operator's two writes are sent from here: what no operator can be faster than. Returns milliseconds. */
  async changeAlone(index: number): Promise<number> {
    const { client } = this.#connection;
    const ref = { namespace: this.#namespace, name: nameOf(index) };
    const value = `c${performance.now()}`;
    const { metadata } = await client.patch(probes, { ref, patch: { spec: { value } } });
    const generation = metadata.generation ?? 0;
    const atMs = performance.now();
    await client.patch(configMaps, { ref, patch: { data: { value } } });
    await client.patchStatus(probes, ref, { observedGeneration: generation, configMap: ref.name });
    await this.#until(() => (this.#ready.get(ref.name)?.generation ?? 0) >= generation, 20_000);
    return Math.max(0, (this.#ready.get(ref.name)?.atMs ?? 0) - atMs);
  }

  /** Touches the canary without changing its spec: bytes flow down the operator's watch, and nothing has to be done. */
  async touch(): Promise<void> {
    const ref = { namespace: this.#namespace, name: "canary" };
    await this.#connection.client.patch(probes, {
      ref,
      patch: { metadata: { annotations: { touched: String(performance.now()) } } },
    });
  }

  /** Writes the API server has taken for Probes, ConfigMaps and Events so far. */
  async writes(): Promise<number> {
    const { text } = await this.#connection.client.raw("/metrics");
    let writes = 0;
    for (const line of text.split("\n")) {
      if (!line.startsWith("apiserver_request_total{")) continue;
      const label = (name: string): string => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? "";
      const isWrite = /^(POST|PUT|PATCH|APPLY|DELETE)/.test(label("verb"));
      if (isWrite && ["probes", "configmaps", "events"].includes(label("resource")))
        writes += Number(line.slice(line.lastIndexOf(" ")));
    }
    return writes;
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("the measurement is over"));
    await this.#running;
    await this.#connection.close();
  }

  async #create(name: string, value: string): Promise<void> {
    const metadata = { name, namespace: this.#namespace };
    await this.#connection.client.create(probes, {
      apiVersion: "bench.example.com/v1",
      kind: "Probe",
      metadata,
      spec: { value },
    });
  }

  async #until(holds: () => boolean, limitMs: number): Promise<void> {
    const endMs = performance.now() + limitMs;
    while (!holds()) {
      if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms`);
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      await Promise.race([woken, pause(200)]);
    }
  }
}

function nameOf(index: number): string {
  return `p${String(index).padStart(5, "0")}`;
}
