import type { NodeCpus } from "./config.ts";
import { formatCpuList } from "./cpu-list.ts";
import type { PodAssignment } from "./pod-resources.ts";

/** What GET /v1/cpus answers. Pods without CPUs of their own are left out: they are most, and say nothing. */
export function nodeCpusOf(node: string, exclusivePool: readonly number[], assignments: readonly PodAssignment[]): NodeCpus {
  const pods = assignments.flatMap(({ namespace, name, containers }) => {
    const pinned = containers
      .filter(({ cpus }) => cpus.length > 0)
      .map((container) => ({ ...container, cpus: formatCpuList(container.cpus) }));
    return pinned.length === 0 ? [] : [{ namespace, name, containers: pinned }];
  });
  return {
    node,
    policy: exclusivePool.length === 0 ? "none" : "static",
    exclusivePool: formatCpuList(exclusivePool),
    exclusivePoolCores: new Set(exclusivePool).size,
    pods,
  };
}
