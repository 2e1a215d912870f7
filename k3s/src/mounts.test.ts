import { describe, expect, test } from "vitest";
import { mountsBelow } from "./mounts.ts";

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
