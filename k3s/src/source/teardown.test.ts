import { describe, expect, test } from "vitest";
import { isShimOf, mountsBelow } from "./teardown.ts";

const mountInfo = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 22 0:30 / /var/lib/bellwether/kubelet/pods/a/volumes/secret rw - tmpfs tmpfs rw
41 22 0:31 / /var/lib/bellwether/containerd/state/io\\040x/rootfs rw - overlay overlay rw
42 41 0:32 / /var/lib/bellwether/containerd/state/io\\040x/rootfs/proc rw - proc proc rw
43 22 0:33 / /var/lib/bellwether-other rw - tmpfs tmpfs rw`;

describe("mounts below the state directory", () => {
  test("are found deepest first, with escaped blanks, and without neighbours of a similar name", () => {
    expect(mountsBelow(mountInfo, "/var/lib/bellwether")).toEqual([
      "/var/lib/bellwether/containerd/state/io x/rootfs/proc",
      "/var/lib/bellwether/containerd/state/io x/rootfs",
      "/var/lib/bellwether/kubelet/pods/a/volumes/secret",
    ]);
  });
});

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
