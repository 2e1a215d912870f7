import { expect, test } from "vitest";
import { clusterObjects, corefile } from "./cluster-objects.ts";

test("names outside the cluster are forwarded only where a name server can be reached", () => {
  expect(corefile(true)).toContain("forward . /etc/resolv.conf");
  expect(corefile(false)).not.toContain("forward");
});

test("the cluster gets names and a default storage class", () => {
  const { items } = clusterObjects({ corednsImage: "localhost/c:1", forwardsNames: false }) as {
    items: { kind: string; metadata: { annotations?: object } }[];
  };
  expect(items.map(({ kind }) => kind)).toEqual([
    "StorageClass",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "Deployment",
    "Service",
  ]);
  expect(items[0]?.metadata.annotations).toEqual({ "storageclass.kubernetes.io/is-default-class": "true" });
});
