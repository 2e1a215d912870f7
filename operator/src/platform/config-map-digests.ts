/** Looks at keys of users' ConfigMaps. They carry no label of ours, so they are not watched but read again. */
import { createHash } from "node:crypto";
import type { KubernetesClient, Stored } from "@bellwether/kubernetes";
import type { Clock } from "@bellwether/service-kit";
import { type ConfigMap, configMaps } from "./resources.ts";

/** A missing one is looked for again soon: somebody is about to create it. */
export const MISSING_TTL_MS = 2_000;
export const FOUND_TTL_MS = 10_000;
const cacheLimit = 10_000;

/** A key of a ConfigMap as it was last read; `sha256` of its bytes, so that an edited file is rolled out. */
export type KeyState =
  { readonly found: true; readonly sha256: string } | { readonly found: false; readonly missing: "ConfigMap" | "Key" };

interface Digests {
  readonly atMs: number;
  /** Absent: there is no such ConfigMap. */
  readonly sha256ByKey: ReadonlyMap<string, string> | undefined;
}

export class ConfigMapDigests {
  readonly #client: Pick<KubernetesClient, "get">;
  readonly #clock: Clock;
  readonly #known = new Map<string, Digests>();

  constructor(client: Pick<KubernetesClient, "get">, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  async read(namespace: string, { name, key }: { readonly name: string; readonly key: string }): Promise<KeyState> {
    const { sha256ByKey } = await this.#digests(namespace, name);
    const sha256 = sha256ByKey?.get(key);
    return sha256 === undefined ? { found: false, missing: sha256ByKey ? "Key" : "ConfigMap" } : { found: true, sha256 };
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
