/**
 * How the API server is reached and who we are: from a kubeconfig, or from the pod's service account.
 *
 * Of @kubernetes/client-node only the parser of kubeconfig entries and the exec plugin are loaded, and only when a
 * kubeconfig is used: its `KubeConfig` drags the whole generated client in (measured: 124 MiB RSS against 57).
 */
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { SecureContextOptions } from "node:tls";
import type { Cluster, Context, User } from "@kubernetes/client-node/dist/config_types.js";
import type { Clock } from "@bellwether/service-kit/clock";
import { KubernetesError } from "./errors.ts";

export interface TlsSettings extends Pick<SecureContextOptions, "ca" | "cert" | "key"> {
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface ClusterAccess {
  /** For instance `https://10.43.0.1:443`. */
  readonly server: URL;
  /** Namespace of the kubeconfig's context or of the service account. */
  readonly namespace: string;
  /** Read anew for each connection, so that rotated certificates are picked up. */
  tls(): Promise<TlsSettings>;
  /** Value of the Authorization header; none when a client certificate speaks for us. */
  authorization(): Promise<string | undefined>;
  /** Forgets cached credentials: called after a 401. */
  forget(): void;
}

export interface AccessSources {
  /** The variables that matter, read once in main.ts. */
  readonly env: Readonly<{
    KUBECONFIG?: string | undefined;
    HOME?: string | undefined;
    KUBERNETES_SERVICE_HOST?: string | undefined;
    KUBERNETES_SERVICE_PORT?: string | undefined;
  }>;
  readonly clock: Clock;
  /** Default `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly serviceAccountDir?: string;
  /** Context of the kubeconfig; default: its current one. */
  readonly context?: string;
}

/** A projected token lives an hour and is renewed at 80 %: half a minute late is early enough. */
const tokenFileTtlMs = 30_000;

/**
 * Finds the cluster: `KUBECONFIG`, else the pod's service account, else `~/.kube/config`.
 * @throws KubernetesError CLUSTER_ACCESS_INVALID naming what is missing
 */
export async function loadClusterAccess(sources: AccessSources): Promise<ClusterAccess> {
  const { env } = sources;
  if (env.KUBECONFIG) return kubeconfigAccess(env.KUBECONFIG.split(path.delimiter).filter(Boolean), sources);

  const directory = sources.serviceAccountDir ?? "/var/run/secrets/kubernetes.io/serviceaccount";
  if (env.KUBERNETES_SERVICE_HOST && (await exists(path.join(directory, "token"))))
    return serviceAccountAccess(directory, sources);

  const home = env.HOME === undefined ? undefined : path.join(env.HOME, ".kube", "config");
  if (home !== undefined && (await exists(home))) return kubeconfigAccess([home], sources);
  const tried = `KUBECONFIG is not set, ${directory} holds no token and ${home ?? "~/.kube/config"} does not exist`;
  throw new KubernetesError("CLUSTER_ACCESS_INVALID", `no way to an API server: ${tried}`);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new KubernetesError("CREDENTIALS_UNREADABLE", `cannot read ${file}`, { cause, context: { file } });
  }
}

/** A token in a file that somebody else renews. */
function tokenFile(file: string, clock: Clock): { get: () => Promise<string>; forget: () => void } {
  let token: string | undefined;
  let readAtMs = 0;
  return {
    async get() {
      if (token === undefined || clock.nowMs() - readAtMs > tokenFileTtlMs) {
        token = (await read(file)).trim();
        readAtMs = clock.nowMs();
      }
      return token;
    },
    forget() {
      token = undefined;
    },
  };
}

async function serviceAccountAccess(directory: string, { env, clock }: AccessSources): Promise<ClusterAccess> {
  const host = env.KUBERNETES_SERVICE_HOST ?? "";
  const server = new URL(`https://${host.includes(":") ? `[${host}]` : host}:${env.KUBERNETES_SERVICE_PORT ?? "443"}`);
  const token = tokenFile(path.join(directory, "token"), clock);
  const namespace = await readFile(path.join(directory, "namespace"), "utf8").catch(() => "default");
  return {
    server,
    namespace: namespace.trim() || "default",
    tls: async () => ({ ca: await read(path.join(directory, "ca.crt")) }),
    authorization: async () => `Bearer ${await token.get()}`,
    forget: token.forget,
  };
}

interface Kubeconfig {
  readonly clusters?: unknown;
  readonly users?: unknown;
  readonly contexts?: unknown;
  readonly "current-context"?: string;
}

interface Entries {
  readonly clusters: Cluster[];
  readonly users: User[];
  readonly contexts: Context[];
  current: string | undefined;
}

/** Several files merge as kubectl does it: the first entry of a name wins. */
async function readKubeconfigs(files: readonly string[]): Promise<Entries> {
  const { newClusters, newContexts, newUsers } = await import("@kubernetes/client-node/dist/config_types.js");
  const entries: Entries = { clusters: [], users: [], contexts: [], current: undefined };
  for (const file of files) {
    const text = await read(file);
    try {
      const config = await parse(text);
      const absolute = (name: string | undefined): string | undefined => name && path.resolve(path.dirname(file), name);
      for (const cluster of newClusters(config.clusters))
        entries.clusters.push(withFiles(cluster, { caFile: absolute(cluster.caFile) }));
      for (const user of newUsers(config.users)) {
        entries.users.push(withFiles(user, { certFile: absolute(user.certFile), keyFile: absolute(user.keyFile) }));
      }
      entries.contexts.push(...newContexts(config.contexts));
      entries.current ??= config["current-context"];
    } catch (cause) {
      throw new KubernetesError("CLUSTER_ACCESS_INVALID", `${file} is not a kubeconfig`, { cause, context: { file } });
    }
  }
  return entries;
}

function withFiles<T extends object>(entry: T, files: Partial<Record<keyof T, string | undefined>>): T {
  return { ...entry, ...Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined)) };
}

async function parse(text: string): Promise<Kubeconfig> {
  if (text.trimStart().startsWith("{")) return JSON.parse(text) as Kubeconfig;
  const yaml = await import("yaml");
  return (yaml.parse(text) ?? {}) as Kubeconfig;
}

async function kubeconfigAccess(
  files: readonly string[],
  { clock, context: wanted }: Pick<AccessSources, "clock" | "context">,
): Promise<ClusterAccess> {
  const entries = await readKubeconfigs(files);
  const chosen = wanted ?? entries.current;
  const fail = (what: string): never => {
    throw new KubernetesError("CLUSTER_ACCESS_INVALID", `${files.join(", ")}: ${what}`, { context: { files } });
  };
  const context = entries.contexts.find(({ name }) => name === chosen) ?? fail(`no context "${chosen ?? ""}"`);
  const cluster = entries.clusters.find(({ name }) => name === context.cluster) ?? fail(`no cluster "${context.cluster}"`);
  const user = entries.users.find(({ name }) => name === context.user) ?? fail(`no user "${context.user}"`);
  if (cluster.proxyUrl !== undefined) fail("proxy-url is not supported");
  const credentials = await userCredentials(user, clock);
  return {
    server: new URL(cluster.server),
    namespace: context.namespace ?? "default",
    tls: async () => ({ ...(await clusterTls(cluster)), ...(await credentials.tls()) }),
    authorization: credentials.authorization,
    forget: credentials.forget,
  };
}

async function clusterTls(cluster: Cluster): Promise<TlsSettings> {
  const ca = await dataOrFile(cluster.caData, cluster.caFile);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cluster.tlsServerName === undefined ? {} : { servername: cluster.tlsServerName }),
    ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
  };
}

async function dataOrFile(data: string | undefined, file: string | undefined): Promise<string | undefined> {
  if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
  return file === undefined ? undefined : read(file);
}

type UserCredentials = Pick<ClusterAccess, "tls" | "authorization" | "forget">;

async function userCredentials(user: User, clock: Clock): Promise<UserCredentials> {
  const plugin = user.exec === undefined ? undefined : await execPlugin(user);
  const fileName = (user.authProvider as { config?: { tokenFile?: string } } | null | undefined)?.config?.tokenFile;
  const file = fileName === undefined ? undefined : tokenFile(fileName, clock);
  const fixed = fixedAuthorization(user);
  return {
    async tls() {
      const [cert, key] = await Promise.all([dataOrFile(user.certData, user.certFile), dataOrFile(user.keyData, user.keyFile)]);
      return cert === undefined || key === undefined ? ((await plugin?.tls()) ?? {}) : { cert, key };
    },
    authorization: async () => fixed ?? (file === undefined ? plugin?.authorization() : `Bearer ${await file.get()}`),
    forget: () => file?.forget(),
  };
}

function fixedAuthorization(user: User): string | undefined {
  if (user.token !== undefined) return `Bearer ${user.token.trim()}`;
  if (user.username === undefined) return undefined;
  return `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}`;
}

/** Cloud providers' login programs (`aws eks get-token` and the like), through client-node's plugin, which caches until expiry. */
async function execPlugin(user: User): Promise<Omit<UserCredentials, "forget">> {
  const { ExecAuth } = await import("@kubernetes/client-node/dist/exec_auth.js");
  const exec = new ExecAuth();
  const options = async () => {
    const filled: { headers: Record<string, string>; cert?: string; key?: string } = { headers: {} };
    try {
      await exec.applyAuthentication(user, filled);
    } catch (cause) {
      throw new KubernetesError("CREDENTIALS_UNREADABLE", `the login program of user ${user.name} failed`, { cause });
    }
    return filled;
  };
  return {
    authorization: async () => (await options()).headers["Authorization"],
    async tls() {
      const { cert, key } = await options();
      return { ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
    },
  };
}
