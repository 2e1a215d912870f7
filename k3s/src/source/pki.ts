import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "../shell.ts";
import { network } from "./layout.ts";

export interface CertificatePlan {
  readonly name: string;
  /** OpenSSL subject, `/O=group/CN=user`: what Kubernetes reads as group and user. */
  readonly subject: string;
  /** Subject alternative names as OpenSSL writes them. */
  readonly names: readonly string[];
  readonly usage: "client" | "server" | "both";
}

/** Every certificate of the cluster; all are signed by the one cluster authority. */
export function certificatePlans(): CertificatePlan[] {
  const { nodeName, nodeIp, apiServiceIp, clusterDomain } = network;
  const service = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    `kubernetes.default.svc.${clusterDomain}`,
    "localhost",
  ];
  return [
    {
      name: "apiserver",
      subject: "/CN=kube-apiserver",
      names: [...service.map((name) => `DNS:${name}`), "IP:127.0.0.1", `IP:${apiServiceIp}`, `IP:${nodeIp}`],
      usage: "server",
    },
    {
      name: "kubelet",
      subject: `/O=system:nodes/CN=system:node:${nodeName}`,
      names: [`DNS:${nodeName}`, `IP:${nodeIp}`],
      usage: "both",
    },
    { name: "admin", subject: "/O=system:masters/CN=bellwether-admin", names: [], usage: "client" },
    { name: "apiserver-kubelet", subject: "/O=system:masters/CN=kube-apiserver-kubelet-client", names: [], usage: "client" },
    { name: "controller-manager", subject: "/CN=system:kube-controller-manager", names: [], usage: "client" },
    { name: "scheduler", subject: "/CN=system:kube-scheduler", names: [], usage: "client" },
    { name: "proxy", subject: "/CN=system:kube-proxy", names: [], usage: "client" },
    { name: "front-proxy", subject: "/CN=front-proxy-client", names: [], usage: "client" },
  ];
}

/** The extension section OpenSSL signs a certificate with. */
export function extensionFile(plan: CertificatePlan): string {
  const usage = { client: "clientAuth", server: "serverAuth", both: "serverAuth,clientAuth" }[plan.usage];
  const lines = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", `extendedKeyUsage=${usage}`];
  if (plan.names.length > 0) lines.push(`subjectAltName=${plan.names.join(",")}`);
  return `${lines.join("\n")}\n`;
}

const validDays = "3650";
const openssl = (args: readonly string[]): Promise<unknown> => run("openssl", args, { timeoutMs: 60_000 });

/** Written under a name of its own and renamed, so that a key without its certificate is never taken for finished. */
async function makeAuthority(directory: string): Promise<void> {
  const key = path.join(directory, "ca.key");
  const certificate = path.join(directory, "ca.crt");
  if (existsSync(certificate)) return;
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const extensions = [
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    "-addext",
    "keyUsage=critical,keyCertSign,digitalSignature",
  ];
  await openssl([
    "req",
    "-x509",
    ...curve,
    "-keyout",
    key,
    "-out",
    `${certificate}.new`,
    "-days",
    validDays,
    "-subj",
    "/CN=bellwether-cluster",
    ...extensions,
  ]);
  renameSync(`${certificate}.new`, certificate);
}

async function makeCertificate(directory: string, plan: CertificatePlan): Promise<void> {
  const file = (extension: string): string => path.join(directory, `${plan.name}.${extension}`);
  if (existsSync(file("crt"))) return;
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl(["req", ...curve, "-keyout", file("key"), "-out", file("csr"), "-subj", plan.subject]);
  writeFileSync(file("ext"), extensionFile(plan));
  const authority = ["-CA", path.join(directory, "ca.crt"), "-CAkey", path.join(directory, "ca.key"), "-CAcreateserial"];
  await openssl([
    "x509",
    "-req",
    "-in",
    file("csr"),
    ...authority,
    "-days",
    validDays,
    "-out",
    `${file("crt")}.new`,
    "-extfile",
    file("ext"),
  ]);
  renameSync(`${file("crt")}.new`, file("crt"));
}

/** RSA, because RS256 is what every verifier of ServiceAccount tokens knows. */
async function makeServiceAccountKey(directory: string): Promise<void> {
  const publicKey = path.join(directory, "sa.pub");
  if (existsSync(publicKey)) return;
  const key = path.join(directory, "sa.key");
  await openssl(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key]);
  await openssl(["pkey", "-in", key, "-pubout", "-out", `${publicKey}.new`]);
  renameSync(`${publicKey}.new`, publicKey);
}

/** Makes what is missing of the cluster's keys and certificates; what is there stays, so running pods keep their trust. */
export async function ensurePki(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o700);
  await makeAuthority(directory);
  await makeServiceAccountKey(directory);
  for (const plan of certificatePlans()) await makeCertificate(directory, plan);
}
