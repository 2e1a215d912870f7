import { network } from "./layout.ts";
import { provisionerName, storageClassName } from "./volume-provisioner.ts";

const dnsLabels = { "k8s-app": "kube-dns", "app.kubernetes.io/name": "coredns" };
const dnsMeta = { name: "coredns", namespace: "kube-system", labels: dnsLabels };

/** CPU request of CoreDNS; it is one line in the chart's table of small pods. */
const dnsRequests = { cpu: "20m", memory: "32Mi" } as const;

/** A Corefile for the cluster's names; other names go to the machine's servers where a pod can reach any. */
export function corefile(forwardsNames: boolean): string {
  const lines = [
    "errors",
    "health :8181",
    "ready :8182",
    `kubernetes ${network.clusterDomain} in-addr.arpa ip6.arpa { pods insecure; fallthrough in-addr.arpa ip6.arpa }`
      .replaceAll("; ", "\n      ")
      .replace("{ ", "{\n      ")
      .replace(" }", "\n    }"),
    ...(forwardsNames ? ["forward . /etc/resolv.conf"] : []),
    "cache 30",
    "loop",
    "reload",
  ];
  return `.:1053 {\n${lines.map((line) => `    ${line}`).join("\n")}\n}\n`;
}

function dnsAccess(): object[] {
  const rules = [
    { apiGroups: [""], resources: ["services", "pods", "namespaces"], verbs: ["list", "watch"] },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
  ];
  const subject = { kind: "ServiceAccount", name: "coredns", namespace: "kube-system" };
  const name = "bellwether:coredns";
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: dnsMeta },
    { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name }, rules },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
      subjects: [subject],
    },
  ];
}

function dnsDeployment(image: string): object {
  const container = {
    name: "coredns",
    image,
    imagePullPolicy: "IfNotPresent",
    args: ["-conf", "/etc/coredns/Corefile"],
    ports: [
      { name: "dns", containerPort: 1053, protocol: "UDP" },
      { name: "dns-tcp", containerPort: 1053, protocol: "TCP" },
    ],
    resources: { requests: dnsRequests, limits: { memory: "128Mi" } },
    readinessProbe: { httpGet: { path: "/ready", port: 8182 }, periodSeconds: 2 },
    livenessProbe: { httpGet: { path: "/health", port: 8181 }, periodSeconds: 10, failureThreshold: 6 },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
    volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
  };
  const spec = {
    serviceAccountName: "coredns",
    dnsPolicy: "Default",
    priorityClassName: "system-cluster-critical",
    securityContext: { runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, seccompProfile: { type: "RuntimeDefault" } },
    containers: [container],
    volumes: [{ name: "config", configMap: { name: "coredns" } }],
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: dnsMeta,
    spec: {
      replicas: 1,
      selector: { matchLabels: { "k8s-app": "kube-dns" } },
      template: { metadata: { labels: dnsLabels }, spec },
    },
  };
}

function dnsService(): object {
  const ports = [
    { name: "dns", port: 53, targetPort: "dns", protocol: "UDP" },
    { name: "dns-tcp", port: 53, targetPort: "dns-tcp", protocol: "TCP" },
  ];
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { ...dnsMeta, name: "kube-dns" },
    spec: { selector: { "k8s-app": "kube-dns" }, clusterIP: network.dnsIp, ports },
  };
}

function storageClass(): object {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: storageClassName, annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
    provisioner: provisionerName,
    reclaimPolicy: "Retain",
    volumeBindingMode: "Immediate",
  };
}

/** What a k3s or kind cluster brings by itself and this one needs: names and storage. */
export function clusterObjects(options: { corednsImage: string; forwardsNames: boolean }): object {
  const configMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: dnsMeta,
    data: { Corefile: corefile(options.forwardsNames) },
  };
  return {
    apiVersion: "v1",
    kind: "List",
    items: [storageClass(), ...dnsAccess(), configMap, dnsDeployment(options.corednsImage), dnsService()],
  };
}
