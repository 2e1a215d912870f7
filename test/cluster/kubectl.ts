import { execFile } from "node:child_process";
import path from "node:path";

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly ownerReferences?: readonly { readonly uid: string }[];
    readonly finalizers?: readonly string[];
  };
  // Tests look into whatever kind they ask for.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly spec?: any;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly status?: any;
}

const root = path.resolve(import.meta.dirname, "../..");
export const kubeconfigFile = path.join(root, ".bellwether", "kubeconfig");

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const longestOutputBytes = 64 * 1024 * 1024;

/** Runs a command to its end; a non-zero exit is a result, not an exception. */
export function run(
  command: string,
  args: readonly string[],
  options: { input?: string; timeoutMs?: number } = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const settings = {
      maxBuffer: longestOutputBytes,
      timeout: options.timeoutMs ?? 60_000,
      env: { ...process.env, KUBECONFIG: kubeconfigFile },
    };
    const child = execFile(command, [...args], settings, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === "number" ? error.code : 1) : 0;
      if (error && typeof error.code === "string") reject(error);
      else resolve({ code, stdout, stderr });
    });
    child.stdin?.end(options.input ?? "");
  });
}

/** kubectl on the cluster of `npm run up`; throws with kubectl's words when it fails. */
export async function kubectl(args: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<string> {
  const { code, stdout, stderr } = await run(kubectlProgram(), args, options);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr || stdout}`);
  return stdout;
}

/** `npm run up` leaves the way to its kubectl beside the kubeconfig. */
function kubectlProgram(): string {
  return path.join(root, ".bellwether", "bin", "kubectl");
}

export async function get(kind: string, name: string): Promise<KubeObject | undefined> {
  const { code, stdout, stderr } = await run(kubectlProgram(), ["get", kind, name, "-o", "json"]);
  if (code === 0) return JSON.parse(stdout) as KubeObject;
  if (stderr.includes("NotFound") || stderr.includes("not found")) return undefined;
  throw new Error(`kubectl get ${kind} ${name}: ${stderr}`);
}

export async function list(kind: string, args: readonly string[] = []): Promise<KubeObject[]> {
  return (JSON.parse(await kubectl(["get", kind, "-o", "json", ...args])) as { items: KubeObject[] }).items;
}

export async function apply(manifest: string, args: readonly string[] = []): Promise<string> {
  return kubectl(["apply", ...args, "-f", "-"], { input: manifest });
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly everyMs?: number;
  /** What is waited for, in words: the error says it. */
  readonly what: string;
}

/** Polls until `probe` gives something other than undefined or false; errors of the probe count as "not yet" and are quoted at the end. */
export async function waitFor<T>(
  probe: () => Promise<T | undefined | false>,
  { timeoutMs, everyMs = 250, what }: WaitOptions,
): Promise<T> {
  const startedAt = performance.now();
  let last = "";
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    if (performance.now() - startedAt > timeoutMs)
      throw new Error(`${what}: not within ${timeoutMs} ms${last ? ` (last error: ${last})` : ""}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

export function condition(
  object: KubeObject | undefined,
  type: string,
): { status: string; reason: string; message: string } | undefined {
  return object?.status?.conditions?.find((entry: { type: string }) => entry.type === type);
}

/** Rows of a query in the cluster's Postgres, as objects. */
export async function query(sql: string): Promise<Record<string, string | null>[]> {
  const wrapped = `SELECT coalesce(json_agg(t), '[]') FROM (${sql}) t`;
  const args = ["exec", "statefulset/postgres", "--", "psql", "-U", "postgres", "-d", "bellwether", "-qtAX", "-c", wrapped];
  return JSON.parse(await kubectl(args)) as Record<string, string | null>[];
}
