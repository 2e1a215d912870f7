// The StorageClass of the source cluster: gives every claim a directory below the state directory, and removes it with the claim.
// A process beside the cluster rather than a pod, so that no further image and no privileged pod is needed.
//   node volume-provisioner-main.ts <kubeconfig> <directory>
import { chmodSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:https";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { type Claim, type Volume, volumeActions, volumeManifest } from "./volume-provisioner.ts";

interface Answer {
  readonly status: number;
  readonly body: string;
}

const [kubeconfigFile = "", directory = ""] = process.argv.slice(2);
const pollMs = 400;

function connection(): { agent: Agent; host: string; port: string } {
  const config = parse(readFileSync(kubeconfigFile, "utf8")) as {
    clusters: { cluster: { server: string; "certificate-authority": string } }[];
    users: { user: { "client-certificate": string; "client-key": string } }[];
  };
  const cluster = config.clusters[0]?.cluster;
  const user = config.users[0]?.user;
  if (!cluster || !user) throw new Error(`no cluster or no user in ${kubeconfigFile}`);
  const server = new URL(cluster.server);
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 2,
    ca: readFileSync(cluster["certificate-authority"]),
    cert: readFileSync(user["client-certificate"]),
    key: readFileSync(user["client-key"]),
  });
  return { agent, host: server.hostname, port: server.port };
}

const server = connection();

function call(method: string, at: string, body?: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = body ? { "content-type": "application/json" } : {};
    const sent = request({ ...server, method, path: at, headers, timeout: 10_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text })).on("error", reject);
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer within 10 s"))).on("error", reject);
    sent.end(body ? JSON.stringify(body) : undefined);
  });
}

async function list(at: string): Promise<readonly unknown[]> {
  const answer = await call("GET", at);
  if (answer.status !== 200) throw new Error(`${at} answered ${answer.status}`);
  return (JSON.parse(answer.body) as { items: readonly unknown[] }).items;
}

async function reconcile(): Promise<void> {
  const claims = (await list("/api/v1/persistentvolumeclaims?resourceVersion=0")) as Claim[];
  const volumes = (await list("/api/v1/persistentvolumes?resourceVersion=0")) as Volume[];
  for (const action of volumeActions(claims, volumes)) {
    const at = path.join(directory, action.name);
    if (action.do === "create") {
      mkdirSync(at, { recursive: true });
      chmodSync(at, 0o777); // pods run as any user; the directory above is for root only
      await call("POST", "/api/v1/persistentvolumes", volumeManifest(action.name, action.claim, at));
    } else {
      rmSync(at, { recursive: true, force: true });
      await call("DELETE", `/api/v1/persistentvolumes/${action.name}`);
    }
  }
}

mkdirSync(directory, { recursive: true });
chmodSync(directory, 0o711);
for (;;) {
  try {
    await reconcile();
  } catch (error) {
    console.error(new Date().toISOString(), error instanceof Error ? error.message : error);
  }
  await sleep(pollMs);
}
