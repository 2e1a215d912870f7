import { setTimeout as sleep } from "node:timers/promises";
import { ensureBinaries } from "../cache/binaries.ts";
import { ClusterError } from "../errors.ts";
import { findCommand, run, type RunResult } from "../shell.ts";

/** kubectl and helm against one cluster. */
export interface ClusterTools {
  readonly kubeconfig: string;
  readonly kubectl: string;
  readonly helm: string;
}

/** From the cache where they can be built, else whatever is installed. */
export async function clusterTools(kubeconfig: string): Promise<ClusterTools> {
  if (await findCommand("go")) return { kubeconfig, ...(await ensureBinaries(["kubectl", "helm"])) };
  const [kubectl, helm] = [await findCommand("kubectl"), await findCommand("helm")];
  if (!kubectl || !helm)
    throw new ClusterError("DRIVER_UNAVAILABLE", "kubectl and helm are needed: install both, or Go 1.24 to have them built");
  return { kubeconfig, kubectl, helm };
}

export function kubectl(
  tools: ClusterTools,
  args: readonly string[],
  options: { input?: string; accept?: readonly number[] } = {},
): Promise<RunResult> {
  return run(tools.kubectl, ["--kubeconfig", tools.kubeconfig, ...args], { timeoutMs: 180_000, ...options });
}

/**
 * Polls until `check` returns undefined; anything else is a sentence saying what is still missing.
 *
 * @throws ClusterError NOT_READY with the last such sentence
 */
export async function waitFor(
  check: () => Promise<string | undefined>,
  timeoutMs: number,
  report: (line: string) => void,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const missing = await check();
    if (missing === undefined) return;
    if (performance.now() > deadline)
      throw new ClusterError("NOT_READY", `not ready after ${Math.round(timeoutMs / 1000)} s: ${missing}`);
    report(missing);
    await sleep(500);
  }
}
