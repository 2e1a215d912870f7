/** Reads the keys of users' ConfigMaps that strategies name. They carry no label of ours, so they are not watched but looked at. */
import { createHash } from "node:crypto";
import type { KubernetesClient, Stored } from "@bellwether/kubernetes";
import type { Clock } from "@bellwether/service-kit";
import { type ConfigMap, configMaps } from "../platform/resources.ts";
import type { InputRef, InputState, Inputs } from "./inputs.ts";

/** A missing one is looked for again soon: somebody is about to create it. */
export const MISSING_TTL_MS = 2_000;
export const FOUND_TTL_MS = 10_000;
const cacheLimit = 10_000;

interface Digests {
  readonly atMs: number;
  /** Absent: there is no such ConfigMap. */
  readonly sha256ByKey: ReadonlyMap<string, string> | undefined;
}

export class InputReader {
  readonly #client: Pick<KubernetesClient, "get">;
  readonly #clock: Clock;
  readonly #known = new Map<string, Digests>();

  constructor(client: Pick<KubernetesClient, "get">, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  async read(namespace: string, refs: readonly InputRef[]): Promise<Inputs> {
    const inputs = new Map<InputRef["role"], InputState>();
    for (const { role, name, key } of refs) {
      const { sha256ByKey } = await this.#digests(namespace, name);
      const sha256 = sha256ByKey?.get(key);
      if (sha256 !== undefined) inputs.set(role, { found: true, sha256 });
      else inputs.set(role, { found: false, missing: sha256ByKey ? "Key" : "ConfigMap" });
    }
    return inputs;
  }

  async #digests(namespace: string, name: string): Promise<Digests> {
    const id = `${namespace}/${name}`;
    const known = this.#known.get(id);
    const nowMs = this.#clock.nowMs();
    if (known && nowMs - known.atMs < (known.sha256ByKey ? FOUND_TTL_MS : MISSING_TTL_MS)) return known;
    const digests = { atMs: nowMs, sha256ByKey: digestsOf(await this.#client.get(configMaps, { namespace, name })) };
    if (this.#known.size >= cacheLimit) this.#known.clear();
    this.#known.set(id, digests);
    return digests;
  }
}

function digestsOf(configMap: Stored<ConfigMap> | undefined): ReadonlyMap<string, string> | undefined {
  if (!configMap) return undefined;
  const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  return new Map([
    ...Object.entries(configMap.data ?? {}).map(([key, text]) => [key, digest(Buffer.from(text, "utf8"))] as const),
    ...Object.entries(configMap.binaryData ?? {}).map(([key, base64]) => [key, digest(Buffer.from(base64, "base64"))] as const),
  ]);
}
