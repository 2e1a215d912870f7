import type { ClusterTraits } from "../drivers/driver.ts";

export interface ValuesInput {
  /** Full image references by the image's name. */
  readonly images: ReadonlyMap<string, string>;
  readonly traits: ClusterTraits;
}

/** Name of an image → its key in the chart's values. */
const imageKeys: Readonly<Record<string, string>> = {
  operator: "operator",
  agent: "agent",
  risk: "risk",
  broker: "broker",
  gateway: "gateway",
  ollama: "ollama",
  "node-agent": "nodeAgent",
  postgres: "postgres",
  valkey: "valkey",
};

/** Values that only the bring-up knows: what was built, and what kind of cluster it goes to. */
export function chartValues({ images, traits }: ValuesInput): object {
  const chosen = Object.entries(imageKeys).flatMap(([name, key]) => {
    const reference = images.get(name);
    return reference === undefined ? [] : [[key, reference] as const];
  });
  return {
    images: Object.fromEntries(chosen),
    operator: { sharedCores: traits.sharedCores },
    nodeAgent: { podResourcesDirectory: `${traits.kubeletRoot}/pod-resources` },
    postgres: { storage: { storageClassName: traits.storageClass ?? "" } },
  };
}
