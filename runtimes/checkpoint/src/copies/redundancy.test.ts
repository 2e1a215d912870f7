import { describe, expect, test } from "vitest";
import type { CopyIdentity } from "./copy.ts";
import { failureDomainOf, judgeRedundancy, thisCluster } from "./redundancy.ts";

test.each([
  ["s3", thisCluster],
  ["s3.bellwether.svc", thisCluster],
  ["s3.bellwether.svc.cluster.local", thisCluster],
  ["localhost", thisCluster],
  ["127.0.0.1", thisCluster],
  ["10.200.0.1", thisCluster],
  ["172.20.0.1", thisCluster],
  ["[::1]", thisCluster],
  ["fd00::1", thisCluster],
  ["172.32.0.1", "172.32.0.1"],
  ["S3.example.com.", "s3.example.com"],
  ["2001:db8::1", "2001:db8::1"],
])("%s is lost together with %s", (host, domain) => {
  expect(failureDomainOf(host)).toBe(domain);
});

describe("redundancy", () => {
  const copy = (name: string, failureDomain: string): { name: string; identity: CopyIdentity } => ({
    name,
    identity: { kind: "volume", failureDomain },
  });

  test("is degraded when one loss takes all copies, and the message says what to add", () => {
    const judged = judgeRedundancy([copy("disk", thisCluster), copy("bucket", thisCluster)]);
    expect(judged.degraded).toBe(true);
    expect(judged.message).toContain("(disk, bucket) are lost together with this cluster");
    expect(judged.message).toContain("spec.copies");
  });

  test.each([[[]], [[copy("disk", thisCluster)]]])("is degraded with less than two copies", (copies) => {
    expect(judgeRedundancy(copies).degraded).toBe(true);
  });

  test("is given by two that stand apart", () => {
    const copies = [copy("disk", thisCluster), copy("bucket", "s3.example.com")];
    expect(judgeRedundancy(copies)).toEqual({ degraded: false, message: "" });
  });
});
