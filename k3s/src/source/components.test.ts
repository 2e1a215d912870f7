import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { components, configurationFiles, type Programs } from "./components.ts";
import { hostPorts, network, sourceLayout } from "./layout.ts";
import { certificatePlans, extensionFile } from "./pki.ts";

const layout = sourceLayout("/state");
const names = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-proxy",
  "kube-scheduler",
  "kubectl",
  "kubelet",
  "etcd",
  "containerd",
  "node",
];
const programs = Object.fromEntries(names.map((name) => [name, `/bin/${name}`])) as Programs;
const all = components(layout, programs);
const argsOf = (name: string): readonly string[] => all.find((component) => component.name === name)?.args ?? [];
const files = configurationFiles(layout, {
  pauseImage: "localhost/p:1",
  dropIn: "# drop-in\n",
  restrictOomScore: true,
  nameServers: ["10.0.0.2"],
});

describe("the processes of the source cluster", () => {
  test("start from the store up: etcd, API server, controllers, then the node", () => {
    expect(all.map(({ name }) => name)).toEqual([
      "etcd",
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
      "containerd",
      "kubelet",
      "kube-proxy",
      "volumes",
    ]);
  });

  test("the API server authorises nodes as nodes and finds kubelets by address", () => {
    expect(argsOf("kube-apiserver")).toEqual(
      expect.arrayContaining([
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
      ]),
    );
  });

  test("no component listens for strangers without credentials", () => {
    expect(argsOf("etcd").filter((arg) => arg.includes("listen"))).toEqual(
      expect.arrayContaining(["--listen-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380"]),
    );
    expect(parse(files.get("/state/etc/kubelet.yaml") ?? "")).toMatchObject({
      authentication: { anonymous: { enabled: false } },
    });
  });

  test("the kubelet reads the generated drop-in, which is not repeated in its own configuration", () => {
    expect(argsOf("kubelet")).toContain("--config-dir=/state/etc/kubelet.conf.d");
    expect(files.get("/state/etc/kubelet.conf.d/10-cpus.conf")).toBe("# drop-in\n");
    expect(parse(files.get("/state/etc/kubelet.yaml") ?? "")).not.toHaveProperty("cpuManagerPolicy");
  });

  test("every socket path fits into the 107 bytes of a unix address", () => {
    expect(`${sourceLayout().kubelet}/pod-resources/kubelet.sock`.length).toBeLessThanOrEqual(107);
    expect(`${sourceLayout().containerdSocket}.ttrpc`.length).toBeLessThanOrEqual(107);
  });

  test("a pod may call itself through its own Service: the bridge reflects", () => {
    const cni = JSON.parse(files.get("/state/cni/10-bellwether.conflist") ?? "{}") as { plugins: { type: string }[] };
    expect(cni.plugins[0]).toMatchObject({ type: "bridge", hairpinMode: true, isGateway: true });
  });

  test("kubeconfigs name users by certificate, never by token", () => {
    expect(parse(files.get("/state/etc/scheduler.kubeconfig") ?? "")).toMatchObject({
      users: [{ user: { "client-certificate": "/state/pki/scheduler.crt", "client-key": "/state/pki/scheduler.key" } }],
    });
  });

  test("preflight asks for every port that is listened on", () => {
    expect(hostPorts.map(({ port }) => port)).toEqual(expect.arrayContaining([6443, 2379, 10_250]));
  });
});

describe("certificates", () => {
  const plan = (name: string) => certificatePlans().find((candidate) => candidate.name === name);

  test("the API server is known by its Service's name, its first address and the loopback", () => {
    expect(plan("apiserver")?.names).toEqual(
      expect.arrayContaining([
        "DNS:kubernetes.default.svc",
        "IP:127.0.0.1",
        `IP:${network.apiServiceIp}`,
        `IP:${network.nodeIp}`,
      ]),
    );
  });

  test("the kubelet is a node and nothing more", () => {
    expect(plan("kubelet")?.subject).toBe(`/O=system:nodes/CN=system:node:${network.nodeName}`);
  });

  test.each(["controller-manager", "scheduler", "proxy", "front-proxy"])("%s is a client and in no group", (name) => {
    expect(plan(name)).toMatchObject({ usage: "client" });
    expect(plan(name)?.subject).not.toContain("/O=");
  });

  test("extensions say what a certificate is for", () => {
    const certificate = plan("kubelet");
    expect(certificate && extensionFile(certificate)).toContain(
      "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:bellwether,IP:10.200.0.1",
    );
  });
});
