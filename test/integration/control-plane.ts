// A real kube-apiserver with its etcd, for integration tests: own ports, own directory, RBAC on, no node. Starts in a few seconds.
//
//   describeWithControlPlane("the operator", {}, (plane) => {
//     test("…", async () => { … plane().kubeconfig … });
//   });
//
// Binaries come from the cache the cluster uses; where they cannot be had (no Go, no etcd) the tests are skipped, with the reason in their name.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { openSync, closeSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { ensureBinaries, missingBinaries } from "@bellwether/k3s/binaries";
import { afterAll, beforeAll, describe } from "vitest";

const run = promisify(execFile);

export interface ControlPlane {
  /** Path of an admin kubeconfig (group system:masters, by client certificate). */
  readonly kubeconfig: string;
  /** `https://127.0.0.1:<port>` */
  readonly url: string;
  /** Temporary directory: logs (`etcd.log`, `kube-apiserver.log`), keys, kubeconfigs. Removed by `stop`. */
  readonly directory: string;
  readonly apiServerPid: number;
  /** Issuer of ServiceAccount tokens. */
  readonly issuer: string;
  /** Certificate authority, client certificate and key of the admin, as PEM. */
  readonly credentials: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Runs kubectl as admin; `input` goes to its standard input. Never throws for a non-zero exit code: that is what tests look at. */
  kubectl(args: readonly string[], input?: string): Promise<CommandResult>;
  /** Path of a kubeconfig of another user, for tests of permissions. Groups are O=, the user CN=. */
  kubeconfigFor(user: string, groups?: readonly string[]): Promise<string>;
  /** Stops everything and removes the directory. May be called twice. */
  stop(): Promise<void>;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ControlPlaneOptions {
  /** Also run kube-controller-manager: garbage collection, deletion of namespaces, ServiceAccounts. Default false. */
  readonly controllers?: boolean;
  /** Apply the CRDs of crds/generated and wait until they are served. Default true. */
  readonly crds?: boolean;
  /** Further arguments of kube-apiserver. */
  readonly apiServerArgs?: readonly string[];
}

const repository = path.resolve(import.meta.dirname, "../..");
const issuer = "https://kubernetes.default.svc";
const startDeadlineMs = 90_000;
const stopDeadlineMs = 10_000;

/** Why no control plane can be started here, or undefined when one can. */
export async function whyNoControlPlane(): Promise<string | undefined> {
  if (process.platform !== "linux") return `etcd and kube-apiserver are started on Linux only, this is ${process.platform}`;
  for (const command of ["etcd", "openssl"]) {
    if (!(await isInstalled(command))) return `${command} is not installed`;
  }
  if (missingBinaries(["kube-apiserver", "kubectl"]).length > 0 && !(await isInstalled("go"))) {
    return "kube-apiserver is not in the cache and there is no Go to build it with";
  }
  return undefined;
}

async function isInstalled(command: string): Promise<boolean> {
  try {
    await run("/bin/sh", ["-c", `PATH="$PATH:/usr/local/go/bin:/usr/sbin:/sbin" command -v ${command}`]);
    return true;
  } catch {
    return false;
  }
}

/**
 * A `describe` whose tests share one control plane, started before the first and stopped after the last.
 * Skipped, with the reason in its name, where none can be had.
 */
export async function describeWithControlPlane(
  name: string,
  options: ControlPlaneOptions,
  body: (plane: () => ControlPlane) => void,
): Promise<void> {
  const missing = await whyNoControlPlane();
  if (missing !== undefined) {
    describe.skip(`${name} (skipped: ${missing})`, () => body(() => never(missing)));
    return;
  }
  describe(name, () => {
    let plane: ControlPlane | undefined;
    beforeAll(async () => {
      plane = await startControlPlane(options);
    }, 900_000);
    afterAll(() => plane?.stop());
    body(() => plane ?? never("used before the control plane was started: call plane() inside of a test or hook"));
  });
}

function never(message: string): never {
  throw new Error(message);
}

/**
 * Starts etcd and kube-apiserver and waits until the API server is ready. The caller must call `stop`.
 * Tried twice: between our finding free ports and their being bound, another process may take one.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  try {
    return await startOnce(options);
  } catch (error) {
    if (!String(error).includes("address already in use")) throw error;
    return startOnce(options);
  }
}

async function startOnce(options: ControlPlaneOptions): Promise<ControlPlane> {
  const extra = options.controllers ? (["kube-controller-manager"] as const) : [];
  const binaries = await ensureBinaries(["kube-apiserver", "kubectl", "etcd", ...extra]);
  const directory = mkdtempSync(path.join(tmpdir(), "bw-cp-"));
  const children: ChildProcess[] = [];
  // Last resort for a test run that dies half way: no etcd is left behind.
  const killAll = (): void => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  // And for one that is killed itself: the kernel ends its children with it.
  const dieWithUs = (await isInstalled("setpriv")) ? ["setpriv", "--pdeathsig", "KILL"] : [];
  process.once("exit", killAll);
  const stop = async (): Promise<void> => {
    process.off("exit", killAll);
    for (const child of children.toReversed()) await stopChild(child);
    rmSync(directory, { recursive: true, force: true });
  };
  const start = (command: string, args: readonly string[], name: string): ChildProcess => {
    const log = openSync(path.join(directory, `${name}.log`), "a");
    const [program = command, ...rest] = [...dieWithUs, command, ...args];
    const child = spawn(program, rest, { cwd: directory, stdio: ["ignore", log, log] });
    closeSync(log);
    child.on("error", (error) => writeFileSync(path.join(directory, `${name}.log`), `${error.message}\n`));
    children.push(child);
    return child;
  };

  try {
    const [port, clientPort, peerPort] = await freePorts(3);
    const url = `https://127.0.0.1:${port}`;
    const pki = await makePki(directory);
    start(binaries.etcd, etcdArgs(directory, clientPort ?? 0, peerPort ?? 0), "etcd");
    const apiServer = start(
      binaries["kube-apiserver"],
      [...apiServerArgs(directory, port ?? 0, clientPort ?? 0), ...(options.apiServerArgs ?? [])],
      "kube-apiserver",
    );
    const credentials = await pki.client("admin", ["system:masters"]);
    await waitReady(url, credentials, { child: apiServer, log: path.join(directory, "kube-apiserver.log") });

    const writeKubeconfig = (name: string, user: Credentials): string => {
      const file = path.join(directory, `${name}.kubeconfig`);
      writeFileSync(file, kubeconfig(url, user), { mode: 0o600 });
      return file;
    };
    const adminKubeconfig = writeKubeconfig("admin", credentials);
    const kubectl = (args: readonly string[], input?: string): Promise<CommandResult> =>
      runToEnd(binaries.kubectl, ["--kubeconfig", adminKubeconfig, ...args], input);
    if (options.controllers) {
      const manager = (binaries as Record<string, string>)["kube-controller-manager"] ?? never("ensureBinaries forgot one");
      start(manager, controllerArgs(directory, adminKubeconfig), "kube-controller-manager");
    }
    if (options.crds ?? true) await applyCrds(kubectl);
    return {
      kubeconfig: adminKubeconfig,
      url,
      directory,
      apiServerPid: apiServer.pid ?? 0,
      issuer,
      credentials,
      kubectl,
      kubeconfigFor: async (user, groups = []) => writeKubeconfig(fileName(user), await pki.client(user, groups)),
      stop,
    };
  } catch (error) {
    const log = ["etcd", "kube-apiserver"].map((name) => tail(path.join(directory, `${name}.log`))).join("\n");
    await stop();
    throw new Error(`the control plane did not start: ${String(error)}\n${log}`, { cause: error });
  }
}

const fileName = (user: string): string => user.replaceAll(/[^a-z0-9-]/gi, "_");

function etcdArgs(directory: string, clientPort: number, peerPort: number): string[] {
  const client = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  return [
    `--data-dir=${path.join(directory, "etcd")}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    // Thrown away after the test: durability would only cost time.
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

function apiServerArgs(directory: string, port: number, etcdPort: number): string[] {
  const pki = (name: string): string => path.join(directory, "pki", name);
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    `--secure-port=${port}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    `--cert-dir=${path.join(directory, "certs")}`,
    `--client-ca-file=${pki("ca.crt")}`,
    `--tls-cert-file=${pki("apiserver.crt")}`,
    `--tls-private-key-file=${pki("apiserver.key")}`,
    `--service-account-key-file=${pki("sa.pub")}`,
    `--service-account-signing-key-file=${pki("sa.key")}`,
    `--service-account-issuer=${issuer}`,
    "--service-cluster-ip-range=10.43.0.0/16",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
    // Without a controller manager there is no default ServiceAccount for it to find.
    "--disable-admission-plugins=ServiceAccount",
    "--allow-privileged=true",
    "--endpoint-reconciler-type=none",
  ];
}

function controllerArgs(directory: string, adminKubeconfig: string): string[] {
  const pki = (name: string): string => path.join(directory, "pki", name);
  return [
    `--kubeconfig=${adminKubeconfig}`,
    `--service-account-private-key-file=${pki("sa.key")}`,
    `--root-ca-file=${pki("ca.crt")}`,
    "--leader-elect=false",
    "--secure-port=0",
    "--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller",
  ];
}

interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

async function makePki(directory: string): Promise<{ client(user: string, groups: readonly string[]): Promise<Credentials> }> {
  const pki = path.join(directory, "pki");
  mkdirSync(pki, { mode: 0o700 });
  const file = (name: string): string => path.join(pki, name);
  const openssl = (args: readonly string[]): Promise<unknown> => run("openssl", [...args]);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const sign = async (name: string, subject: string, extensions: string): Promise<void> => {
    writeFileSync(file(`${name}.ext`), extensions);
    await openssl(["req", ...newKey, "-keyout", file(`${name}.key`), "-out", file(`${name}.csr`), "-subj", subject]);
    const authority = ["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"];
    await openssl([
      "x509",
      "-req",
      "-in",
      file(`${name}.csr`),
      ...authority,
      "-out",
      file(`${name}.crt`),
      "-extfile",
      file(`${name}.ext`),
    ]);
  };
  await openssl([
    "req",
    "-x509",
    ...newKey,
    "-keyout",
    file("ca.key"),
    "-out",
    file("ca.crt"),
    "-days",
    "2",
    "-subj",
    "/CN=bellwether-test",
  ]);
  await openssl(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", file("sa.key")]);
  await openssl(["pkey", "-in", file("sa.key"), "-pubout", "-out", file("sa.pub")]);
  const names = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.43.0.1";
  await sign("apiserver", "/CN=kube-apiserver", `subjectAltName=${names}\nextendedKeyUsage=serverAuth\n`);
  const read = (name: string): string => readFileSync(file(name), "utf8");
  return {
    async client(user, groups) {
      const name = fileName(user);
      const subject = [...groups.map((group) => `/O=${group}`), `/CN=${user}`].join("");
      await sign(name, subject, "extendedKeyUsage=clientAuth\n");
      return { ca: read("ca.crt"), cert: read(`${name}.crt`), key: read(`${name}.key`) };
    },
  };
}

function kubeconfig(server: string, { ca, cert, key }: Credentials): string {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server, "certificate-authority-data": base64(ca) } }],
    users: [{ name: "test", user: { "client-certificate-data": base64(cert), "client-key-data": base64(key) } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  });
}

interface Watched {
  readonly child: ChildProcess;
  readonly log: string;
}

async function waitReady(url: string, credentials: Credentials, { child, log }: Watched): Promise<void> {
  const deadline = performance.now() + startDeadlineMs;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`kube-apiserver exited with code ${child.exitCode}: ${tail(log)}`);
    if (await answersReady(url, credentials)) return;
    await pause(100);
  }
  throw new Error(`kube-apiserver was not ready within ${startDeadlineMs / 1000} s`);
}

function answersReady(url: string, credentials: Credentials): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request(`${url}/readyz`, { ...credentials, agent: false, timeout: 2000 }, (response) => {
      response.resume();
      response.on("close", () => resolve(response.statusCode === 200));
    });
    probe.on("timeout", () => probe.destroy());
    probe.on("error", () => resolve(false));
    probe.end();
  });
}

async function applyCrds(kubectl: ControlPlane["kubectl"]): Promise<void> {
  const applied = await kubectl(["apply", "--server-side", "-f", path.join(repository, "crds/generated")]);
  if (applied.code !== 0) throw new Error(`the CRDs were refused: ${applied.stderr}`);
  const names = applied.stdout.matchAll(/customresourcedefinition\S*\/(\S+)/g);
  const waited = await kubectl([
    "wait",
    "--for=condition=Established",
    "--timeout=30s",
    "crd",
    ...[...names].map(([, name]) => name ?? ""),
  ]);
  if (waited.code !== 0) throw new Error(`the CRDs are not served: ${waited.stderr}`);
}

function runToEnd(command: string, args: readonly string[], input: string | undefined): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output.stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (output.stderr += chunk));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, ...output }));
    child.stdin.on("error", () => child.stdin.destroy());
    child.stdin.end(input ?? "");
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), stopDeadlineMs);
  await exited;
  clearTimeout(killer);
}

/** Ports that are free now. Held open together, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function tail(file: string): string {
  try {
    return readFileSync(file, "utf8").slice(-2000);
  } catch {
    return "";
  }
}
