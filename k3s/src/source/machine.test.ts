import { describe, expect, test } from "vitest";
import { type MachineBefore, machineDifferences, mayLowerOomScore, reachableNameServers } from "./machine.ts";

const before: MachineBefore = {
  settings: { "net.ipv4.ip_forward": "0" },
  paths: [],
  links: ["eth0", "lo"],
  cgroups: ["/sys/fs/cgroup/cpu"],
  mounts: ["/"],
  iptables: "",
  ip6tables: "",
};

describe("comparing the machine before and after", () => {
  test.each([
    { when: "nothing has changed", after: {}, then: [] },
    { when: "only an empty table is left", after: { iptables: "*nat\n:PREROUTING ACCEPT [5:9]\nCOMMIT\n" }, then: [] },
    { when: "a bridge is left", after: { links: ["bw0", "eth0", "lo"] }, then: ["links: bw0 is left"] },
    { when: "a link is missing", after: { links: ["lo"] }, then: ["links: eth0 is gone"] },
    {
      when: "forwarding stayed on",
      after: { settings: { "net.ipv4.ip_forward": "1" } },
      then: ["settings: net.ipv4.ip_forward was 0, is 1"],
    },
    {
      when: "a cgroup is left",
      after: { cgroups: ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu/kubepods"] },
      then: ["cgroups: /sys/fs/cgroup/cpu/kubepods is left"],
    },
    {
      when: "a rule is left",
      after: { iptables: "*filter\n:KUBE-X - [0:0]\nCOMMIT\n" },
      then: ["iptables: *filter\n:KUBE-X - [0:0]"],
    },
  ])("says what differs when $when", ({ after, then }) => {
    expect(machineDifferences(before, { ...before, ...after })).toEqual(then);
  });
});

test("a pod gets the machine's name servers without those that are the machine itself", () => {
  expect(
    reachableNameServers("search x\nnameserver 127.0.0.53\nnameserver ::1\n nameserver 10.0.0.2\n#nameserver 9.9.9.9\n"),
  ).toEqual(["10.0.0.2"]);
});

test.each([
  { capabilities: "000001ffffffffff", may: true },
  { capabilities: "000001fffeffffff", may: false },
])("lowering OOM scores needs CAP_SYS_RESOURCE: $capabilities → $may", ({ capabilities, may }) => {
  expect(mayLowerOomScore(`Name:\tx\nCapEff:\t${capabilities}\n`)).toBe(may);
});
