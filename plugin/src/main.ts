/** `kubectl bellwether`: composition root. Reads the command line and the environment, prints, and ends with a code that means something. */
import process from "node:process";
import { connectTo, loadClusterAccess } from "@bellwether/kubernetes";
import { systemClock } from "@bellwether/service-kit/clock";
import { systemRandom } from "@bellwether/service-kit/random";
import { faultOf, KubernetesCluster } from "./cluster/kubernetes-cluster.ts";
import { type Setting, parseCommandLine } from "./command-line/parse.ts";
import { usageText } from "./command-line/usage.ts";
import { type ExitCode, PluginError, exitCodeOf, exitCodes } from "./errors.ts";
import { type Style, oneLine, paint } from "./render/style.ts";
import { riskThroughCluster } from "./risk/open-risk.ts";
import { run } from "./run.ts";

const styleOf = (stream: NodeJS.WriteStream): Style => ({
  colour: stream.isTTY && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb",
  columns: stream.isTTY ? stream.columns : Number.POSITIVE_INFINITY,
});

async function accessFor({ kubeconfig, context }: Setting) {
  const { KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } = process.env;
  const env = { KUBECONFIG: kubeconfig ?? KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT };
  try {
    return await loadClusterAccess({ env, clock: systemClock, ...(context !== undefined && { context }) });
  } catch (error) {
    throw faultOf(error, { what: "find the cluster", namespace: undefined });
  }
}

async function main(words: readonly string[]): Promise<ExitCode> {
  const invocation = parseCommandLine(words);
  if (invocation.kind === "help") {
    console.log(usageText(invocation.command));
    return exitCodes.ok;
  }
  const { request, setting } = invocation;
  const access = await accessFor(setting);
  const namespace = setting.namespace ?? access.namespace;
  const connection = connectTo({
    access,
    clock: systemClock,
    random: systemRandom,
    userAgent: "kubectl-bellwether",
    requestTimeoutMs: 10_000,
  });
  try {
    const { client } = connection;
    const { platformNamespace } = setting;
    const openRisk = riskThroughCluster({ access, client, namespace, platformNamespace, clock: systemClock });
    const outcome = await run(request, { cluster: new KubernetesCluster(client, namespace), openRisk, clock: systemClock });
    const text =
      setting.output === "json" ? JSON.stringify(outcome.document, null, 2) : outcome.lines(styleOf(process.stdout)).join("\n");
    console.log(text);
    return outcome.exitCode;
  } finally {
    await connection.close();
  }
}

/** The fault in a line a person understands; a stack only for what nobody foresaw. */
function report(error: unknown): void {
  if (!(error instanceof PluginError)) {
    console.error(error);
    return;
  }
  console.error(`${paint(styleOf(process.stderr), "bad", "error:")} ${oneLine(error.message)}`);
  if (error.next !== undefined) console.error(`next: ${error.next}`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = exitCodeOf(error);
  report(error);
}
