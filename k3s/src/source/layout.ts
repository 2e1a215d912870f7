import path from "node:path";

/** Everything the source cluster owns on a machine has one of these names; teardown removes by them and by nothing else. */
export interface SourceLayout {
  /** Short on purpose: a unix socket path may have 107 bytes, and the kubelet nests them deeply. */
  readonly root: string;
  readonly pki: string;
  readonly logs: string;
  readonly run: string;
  readonly etc: string;
  readonly cni: string;
  readonly volumes: string;
  readonly kubelet: string;
  readonly containerdSocket: string;
  readonly record: string;
}

export function sourceLayout(root: string = "/var/lib/bellwether"): SourceLayout {
  const at = (name: string): string => path.join(root, name);
  return {
    root,
    pki: at("pki"),
    logs: at("log"),
    run: at("run"),
    etc: at("etc"),
    cni: at("cni"),
    volumes: at("volumes"),
    kubelet: at("kubelet"),
    containerdSocket: at("containerd.sock"),
    record: at("instance.json"),
  };
}

/** Addresses and names of the one source cluster a machine can have. Pod and service ranges are those of k3s. */
export const network = {
  nodeName: "bellwether",
  nodeIp: "10.200.0.1",
  nodeBridge: "bw0",
  podBridge: "bwcni0",
  podCidr: "10.42.0.0/24",
  clusterCidr: "10.42.0.0/16",
  serviceCidr: "10.43.0.0/16",
  apiServiceIp: "10.43.0.1",
  dnsIp: "10.43.0.10",
  apiPort: 6443,
  cniName: "bellwether",
  clusterDomain: "cluster.local",
} as const;

/** Ports of this machine that must be free before the first start. */
export const hostPorts: readonly { readonly port: number; readonly owner: string }[] = [
  { port: network.apiPort, owner: "kube-apiserver" },
  { port: 2379, owner: "etcd" },
  { port: 2380, owner: "etcd (peers)" },
  { port: 10250, owner: "kubelet" },
  { port: 10256, owner: "kube-proxy" },
  { port: 10257, owner: "kube-controller-manager" },
  { port: 10259, owner: "kube-scheduler" },
];
