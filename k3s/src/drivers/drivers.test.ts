import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { kubeletDropIn } from "../kubelet/drop-in.ts";
import { pushArguments, registryReference } from "./current.ts";
import { installCommands, k3sFiles } from "./k3s.ts";
import { kindCommands, kindConfiguration } from "./kind.ts";
import { inNamespace } from "./kubeconfig.ts";

const dropIn = kubeletDropIn({ totalCores: 8, sharedCores: 2 });

describe("kind", () => {
  const configuration = parse(kindConfiguration("/cache/conf.d")) as {
    nodes: { extraMounts: object[]; kubeadmConfigPatches: string[] }[];
  };

  test("mounts the generated drop-in into the node and names its directory to the kubelet", () => {
    expect(configuration.nodes[0]?.extraMounts).toEqual([
      { hostPath: "/cache/conf.d", containerPath: "/etc/bellwether/kubelet.conf.d", readOnly: true },
    ]);
    expect(parse(configuration.nodes[0]?.kubeadmConfigPatches[0] ?? "")).toEqual({
      kind: "InitConfiguration",
      nodeRegistration: { kubeletExtraArgs: { "config-dir": "/etc/bellwether/kubelet.conf.d" } },
    });
  });

  test("acts on its own cluster by name and leaves the user's kubeconfig alone", () => {
    expect(kindCommands.remove).toEqual(["delete", "cluster", "--name", "bellwether", "--kubeconfig", "/dev/null"]);
    expect(kindCommands.create("/tmp/kind.yaml")).toContain("/dev/null");
    expect(kindCommands.load("/cache/a.tar")).toEqual(["load", "image-archive", "/cache/a.tar", "--name", "bellwether"]);
  });
});

describe("k3s", () => {
  const files = k3sFiles(dropIn);

  test("gets the same drop-in, through its kubelet's configuration directory", () => {
    expect(files.get("/etc/bellwether/kubelet.conf.d/10-cpus.conf")).toBe(dropIn);
    expect(parse(files.get("/etc/rancher/k3s/config.yaml") ?? "")).toMatchObject({
      "kubelet-arg": ["config-dir=/etc/bellwether/kubelet.conf.d"],
    });
  });

  test("its installer is fetched to a file first, and its version is pinned", () => {
    expect(installCommands.fetch("/x.sh")).toEqual(expect.arrayContaining(["--fail", "--output", "/x.sh"]));
    expect(installCommands.version).toMatch(/^v1\.\d+\.\d+\+k3s\d+$/);
  });
});

describe("current", () => {
  const image = { name: "risk", reference: "localhost/bellwether/risk:abc", layout: "/cache/layout" };

  test.each([
    { registry: "r.example.com/team", target: "r.example.com/team/risk:abc" },
    { registry: "r.example.com:5000/", target: "r.example.com:5000/risk:abc" },
  ])("an image goes to $target", ({ registry, target }) => {
    expect(registryReference(registry, image)).toBe(target);
  });

  test("images are pushed from the layout, without a daemon", () => {
    expect(pushArguments(image, "r/risk:abc").at(-1)).toEqual(["push", "--quiet", image.reference, "docker://r/risk:abc"]);
  });
});

test("the namespace is set in the current context only", () => {
  const text = inNamespace(
    "contexts: [{name: a, context: {cluster: a}}, {name: b, context: {cluster: b}}]\ncurrent-context: b\n",
    "bellwether",
  );
  expect(parse(text)).toMatchObject({
    contexts: [{ context: { cluster: "a" } }, { context: { cluster: "b", namespace: "bellwether" } }],
  });
});
