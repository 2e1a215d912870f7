import type { Clock } from "@bellwether/service-kit/clock";
import { silentLogger } from "@bellwether/service-kit/logger";
import { seededRandom } from "@bellwether/service-kit/random";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import type { KubernetesObject, Stored } from "../objects.ts";
import { defineResource } from "../resource.ts";

/** A made-up kind for tests. */
export interface Widget extends KubernetesObject {
  readonly spec?: { readonly size?: number };
  readonly status?: { readonly size?: number };
}

export const widgets = defineResource<Widget>({
  group: "test.bellwether.dev",
  version: "v1",
  plural: "widgets",
  kind: "Widget",
  namespaced: true,
});

export function widget(name: string, size = 1, metadata: KubernetesObject["metadata"] = {}): Widget {
  return {
    apiVersion: "test.bellwether.dev/v1",
    kind: "Widget",
    metadata: { name, namespace: "test", ...metadata },
    spec: { size },
  };
}

/** A widget as the API server would return it. */
export function storedWidget(name: string, metadata: Partial<Stored<Widget>["metadata"]>, size = 1): Stored<Widget> {
  const identity = { name, namespace: "test", uid: `uid-${name}`, resourceVersion: "1" };
  return { ...widget(name, size), metadata: { ...identity, ...metadata } };
}

/** Clock, randomness and logger of a test. */
export function surroundings(): { clock: ManualClock; random: ReturnType<typeof seededRandom>; log: typeof silentLogger } {
  return { clock: new ManualClock(), random: seededRandom(1), log: silentLogger };
}

/** Lets promises and I/O-free callbacks settle without moving the clock. */
export async function settle(clock: Clock & { advance(ms: number): Promise<void> }): Promise<void> {
  for (let round = 0; round < 5; round++) await clock.advance(0);
}
