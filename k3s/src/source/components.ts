import path from "node:path";
import { stringify } from "yaml";
import type { BuiltBinary } from "../cache/binaries.ts";
import { network, type SourceLayout } from "./layout.ts";

export type ComponentName =
  | "containerd"
  | "etcd"
  | "kube-apiserver"
  | "kube-controller-manager"
  | "kube-proxy"
  | "kube-scheduler"
  | "kubelet"
  | "volumes"
  | "watchdog";

/** One process of the cluster: a changed command line or file restarts it on the next `up`. */
export interface Component {
  readonly name: ComponentName;
  readonly command: string;
  readonly args: readonly string[];
  /** Files whose content the process reads only at its start. */
  readonly files: readonly string[];
}

export type Programs = Readonly<
  Record<
    Exclude<BuiltBinary, "helm" | "kubeconform" | "coredns" | "ollama" | "versitygw"> | "etcd" | "containerd" | "node",
    string
  >
>;

const issuer = `https://kubernetes.default.svc.${network.clusterDomain}`;

function kubeconfigPath(layout: SourceLayout, user: string): string {
  return path.join(layout.etc, `${user}.kubeconfig`);
}

function etcd(layout: SourceLayout, programs: Programs): Component {
  const args = [
    `--data-dir=${path.join(layout.root, "etcd")}`,
    "--listen-client-urls=http://127.0.0.1:2379",
    "--advertise-client-urls=http://127.0.0.1:2379",
    "--listen-peer-urls=http://127.0.0.1:2380",
    // A development cluster on one disk: after a power cut it is made anew, so every write may skip its fsync. That is most of the
    // latency of an API write here. The order journal is not in etcd but in Postgres, which keeps fsync on.
    "--unsafe-no-fsync",
  ];
  return { name: "etcd", command: programs.etcd, args, files: [] };
}

function apiServer(layout: SourceLayout, programs: Programs): Component {
  const pki = (file: string): string => path.join(layout.pki, file);
  const args = [
    "--etcd-servers=http://127.0.0.1:2379",
    `--secure-port=${network.apiPort}`,
    `--advertise-address=${network.nodeIp}`,
    `--service-cluster-ip-range=${network.serviceCidr}`,
    `--client-ca-file=${pki("ca.crt")}`,
    `--tls-cert-file=${pki("apiserver.crt")}`,
    `--tls-private-key-file=${pki("apiserver.key")}`,
    `--service-account-key-file=${pki("sa.pub")}`,
    `--service-account-signing-key-file=${pki("sa.key")}`,
    `--service-account-issuer=${issuer}`,
    `--service-account-jwks-uri=${issuer}/openid/v1/jwks`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    `--kubelet-client-certificate=${pki("apiserver-kubelet.crt")}`,
    `--kubelet-client-key=${pki("apiserver-kubelet.key")}`,
    `--kubelet-certificate-authority=${pki("ca.crt")}`,
    // Otherwise logs, exec and port-forward look the node's name up in DNS, where nobody knows it.
    "--kubelet-preferred-address-types=InternalIP",
    "--allow-privileged=true",
    `--requestheader-client-ca-file=${pki("ca.crt")}`,
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-username-headers=X-Remote-User",
    `--proxy-client-cert-file=${pki("front-proxy.crt")}`,
    `--proxy-client-key-file=${pki("front-proxy.key")}`,
  ];
  return { name: "kube-apiserver", command: programs["kube-apiserver"], args, files: [pki("apiserver.crt")] };
}

function controllers(layout: SourceLayout, programs: Programs): Component[] {
  const pki = (file: string): string => path.join(layout.pki, file);
  const manager = [
    `--kubeconfig=${kubeconfigPath(layout, "controller-manager")}`,
    `--service-account-private-key-file=${pki("sa.key")}`,
    `--root-ca-file=${pki("ca.crt")}`,
    "--use-service-account-credentials=true",
    `--cluster-cidr=${network.clusterCidr}`,
    "--allocate-node-cidrs=true",
    `--cluster-signing-cert-file=${pki("ca.crt")}`,
    `--cluster-signing-key-file=${pki("ca.key")}`,
    "--leader-elect=false",
  ];
  const scheduler = [`--kubeconfig=${kubeconfigPath(layout, "scheduler")}`, "--leader-elect=false"];
  return [
    { name: "kube-controller-manager", command: programs["kube-controller-manager"], args: manager, files: [] },
    { name: "kube-scheduler", command: programs["kube-scheduler"], args: scheduler, files: [] },
  ];
}

function nodeComponents(layout: SourceLayout, programs: Programs): Component[] {
  const containerdConfig = path.join(layout.etc, "containerd.toml");
  const kubeletConfig = path.join(layout.etc, "kubelet.yaml");
  const dropIns = path.join(layout.etc, "kubelet.conf.d");
  const kubelet = [
    `--kubeconfig=${kubeconfigPath(layout, "kubelet")}`,
    `--config=${kubeletConfig}`,
    `--config-dir=${dropIns}`,
    `--root-dir=${layout.kubelet}`,
    `--hostname-override=${network.nodeName}`,
    `--node-ip=${network.nodeIp}`,
  ];
  const proxy = [
    `--kubeconfig=${kubeconfigPath(layout, "proxy")}`,
    "--proxy-mode=iptables",
    `--cluster-cidr=${network.clusterCidr}`,
    `--hostname-override=${network.nodeName}`,
    // Zero leaves the machine's own connection tracking limits alone.
    "--conntrack-max-per-core=0",
    "--conntrack-tcp-timeout-established=0s",
    "--conntrack-tcp-timeout-close-wait=0s",
  ];
  return [
    { name: "containerd", command: programs.containerd, args: ["--config", containerdConfig], files: [containerdConfig] },
    {
      name: "kubelet",
      command: programs.kubelet,
      args: kubelet,
      files: [kubeletConfig, path.join(dropIns, "10-cpus.conf"), path.join(layout.pki, "kubelet.crt")],
    },
    { name: "kube-proxy", command: programs["kube-proxy"], args: proxy, files: [] },
  ];
}

/** Our own provisioner: a StorageClass without a further image to pull. */
function volumeProvisioner(layout: SourceLayout, programs: Programs): Component {
  const script = path.resolve(import.meta.dirname, "volume-provisioner-main.ts");
  const args = [
    "--disable-warning=ExperimentalWarning",
    "--max-old-space-size=48",
    script,
    kubeconfigPath(layout, "admin"),
    layout.volumes,
  ];
  return { name: "volumes", command: programs.node, args, files: [script] };
}

/** Starts again whichever of the others has died. It reads them from a file that the driver writes. */
export function watchdog(layout: SourceLayout, programs: Programs): Component {
  const script = path.resolve(import.meta.dirname, "watchdog-main.ts");
  const list = componentsFile(layout);
  const args = ["--disable-warning=ExperimentalWarning", "--max-old-space-size=48", script, layout.root, list];
  return { name: "watchdog", command: programs.node, args, files: [script, list] };
}

export const componentsFile = (layout: SourceLayout): string => path.join(layout.etc, "components.json");

/** All processes but the watchdog, in the order in which they start; they stop in reverse, but the kubelet always first. */
export function components(layout: SourceLayout, programs: Programs): Component[] {
  return [
    etcd(layout, programs),
    apiServer(layout, programs),
    ...controllers(layout, programs),
    ...nodeComponents(layout, programs),
    volumeProvisioner(layout, programs),
  ];
}

/** Users of the API server, by the certificate that names them. */
const kubeconfigUsers = ["admin", "kubelet", "controller-manager", "scheduler", "proxy"] as const;

function kubeconfig(layout: SourceLayout, user: string): string {
  const pki = (file: string): string => path.join(layout.pki, file);
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "bellwether", cluster: { server: `https://127.0.0.1:${network.apiPort}`, "certificate-authority": pki("ca.crt") } },
    ],
    users: [{ name: user, user: { "client-certificate": pki(`${user}.crt`), "client-key": pki(`${user}.key`) } }],
    contexts: [{ name: "bellwether", context: { cluster: "bellwether", user } }],
    "current-context": "bellwether",
  });
}

function cniConfiguration(layout: SourceLayout): string {
  const ipam = {
    type: "host-local",
    dataDir: path.join(layout.root, "cni-addresses"),
    ranges: [[{ subnet: network.podCidr }]],
    routes: [{ dst: "0.0.0.0/0" }],
  };
  const bridge = { type: "bridge", bridge: network.podBridge, isGateway: true, ipMasq: true, hairpinMode: true, ipam };
  const plugins = [bridge, { type: "portmap", capabilities: { portMappings: true } }, { type: "loopback" }];
  return `${JSON.stringify({ cniVersion: "1.0.0", name: network.cniName, plugins }, null, 2)}\n`;
}

function containerdConfiguration(layout: SourceLayout, options: MachineOptions): string {
  const at = (name: string): string => JSON.stringify(path.join(layout.root, name));
  return `version = 2
root = ${at("containerd/root")}
state = ${at("containerd/state")}
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = ${JSON.stringify(layout.containerdSocket)}
[plugins."io.containerd.internal.v1.opt"]
  path = ${at("containerd/opt")}
[plugins."io.containerd.grpc.v1.cri"]
  # Without CAP_SYS_RESOURCE no score below the own one can be set, and every sandbox would die with "can't get final child's PID".
  restrict_oom_score_adj = ${options.restrictOomScore}
  netns_mounts_under_state_dir = true
  disable_tcp_service = true
  sandbox_image = ${JSON.stringify(options.pauseImage)}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = ${JSON.stringify(layout.cni)}
`;
}

function kubeletConfiguration(layout: SourceLayout): string {
  const pki = (file: string): string => path.join(layout.pki, file);
  return stringify({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: { x509: { clientCAFile: pki("ca.crt") }, anonymous: { enabled: false }, webhook: { enabled: true } },
    authorization: { mode: "Webhook" },
    tlsCertFile: pki("kubelet.crt"),
    tlsPrivateKeyFile: pki("kubelet.key"),
    containerRuntimeEndpoint: `unix://${layout.containerdSocket}`,
    cgroupDriver: "cgroupfs",
    failSwapOn: false,
    // How long the small pods may stay on a core that was just given away; the default is 10 s.
    cpuManagerReconcilePeriod: "2s",
    clusterDNS: [network.dnsIp],
    clusterDomain: network.clusterDomain,
    evictionHard: { "nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi" },
    // Nothing here can be pulled again: no image is ever collected for want of space.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    podLogsDir: path.join(layout.logs, "pods"),
    volumePluginDir: path.join(layout.root, "volume-plugins"),
    resolvConf: path.join(layout.etc, "resolv.conf"),
  });
}

export interface MachineOptions {
  readonly pauseImage: string;
  /** The kubelet drop-in, from kubelet/drop-in.ts. */
  readonly dropIn: string;
  /** True where this process lacks CAP_SYS_RESOURCE. */
  readonly restrictOomScore: boolean;
  /** Name servers of the machine that a pod can reach. */
  readonly nameServers: readonly string[];
}

/** Every configuration file of the cluster by its absolute path. */
export function configurationFiles(layout: SourceLayout, options: MachineOptions): ReadonlyMap<string, string> {
  const etc = (name: string): string => path.join(layout.etc, name);
  return new Map([
    ...kubeconfigUsers.map((user): [string, string] => [kubeconfigPath(layout, user), kubeconfig(layout, user)]),
    [path.join(layout.cni, "10-bellwether.conflist"), cniConfiguration(layout)],
    [etc("containerd.toml"), containerdConfiguration(layout, options)],
    [etc("kubelet.yaml"), kubeletConfiguration(layout)],
    [etc("kubelet.conf.d/10-cpus.conf"), options.dropIn],
    [etc("resolv.conf"), options.nameServers.map((server) => `nameserver ${server}\n`).join("")],
  ]);
}
