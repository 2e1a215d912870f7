/** What the tests of the core share: a connection to the test's control plane, and an informer that stops by itself. */
import {
  type ConnectOptions,
  type Connection,
  Informer,
  type KubernetesObject,
  type Resource,
  connectTo,
  defineResource,
  loadClusterAccess,
} from "@bellwether/kubernetes";
import { systemClock } from "@bellwether/service-kit/clock";
import { silentLogger } from "@bellwether/service-kit/logger";
import { seededRandom } from "@bellwether/service-kit/random";
import { onTestFinished } from "vitest";

export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

export const configMaps = defineResource<ConfigMap>({
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
});
export const pods = defineResource({ group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true });

export const around = { clock: systemClock, random: seededRandom(1), log: silentLogger };

export function configMap(
  name: string,
  data: Record<string, string> = {},
  metadata: KubernetesObject["metadata"] = {},
): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", ...metadata }, data };
}

/** A connection of its own, closed at the end of the test. */
export async function connected(
  kubeconfig: string,
  options: Partial<ConnectOptions> & { server?: URL } = {},
): Promise<Connection> {
  const { server, ...rest } = options;
  const access = await loadClusterAccess({ env: { KUBECONFIG: kubeconfig }, clock: systemClock });
  const connection = connectTo({ access: server ? { ...access, server } : access, ...around, ...rest });
  onTestFinished(() => connection.close());
  return connection;
}

/** Runs an informer until the end of the test, and waits for its first list. */
export async function watched<T extends KubernetesObject>(
  client: Connection["client"],
  resource: Resource<T>,
  scope: { readonly namespaces?: readonly string[]; readonly labels?: Readonly<Record<string, string>> } = {},
): Promise<Informer<T>> {
  const informer = new Informer<T>({ client, resource, ...around, ...scope });
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  onTestFinished(async () => {
    stop.abort(new Error("end of test"));
    await running;
  });
  await informer.synced();
  return informer;
}
