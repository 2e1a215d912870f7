import { describe, expect, test } from "vitest";
import { isShimOf } from "./teardown.ts";

describe("a containerd shim", () => {
  const ours = "/var/lib/bellwether/containerd.sock";
  test.each([
    {
      when: "it was started for our socket",
      args: ["/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-address", ours],
      is: true,
    },
    {
      when: "it belongs to Docker's containerd",
      args: ["/usr/bin/containerd-shim-runc-v2", "-address", "/run/containerd/containerd.sock"],
      is: false,
    },
    { when: "another program names our socket", args: ["/usr/bin/ctr", "-address", ours], is: false },
    { when: "it names no socket", args: ["/usr/bin/containerd-shim-runc-v2"], is: false },
  ])("is ours: $is, when $when", ({ args, is }) => {
    expect(isShimOf(args.join("\0"), ours)).toBe(is);
  });
});
