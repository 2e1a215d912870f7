import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { Component } from "./components.ts";
import { afterDeath, deadComponents, pauseMs, rotateLogs } from "./watchdog.ts";

const component = (name: Component["name"]): Component => ({ name, command: `/bin/${name}`, args: [], files: [] });
const record = (name: string) => ({ name, pid: 1, startTime: "1", fingerprint: "a" });

describe("the watchdog of the source cluster", () => {
  test("starts what has died, not what was stopped and not what lives", () => {
    const components = [component("etcd"), component("kubelet"), component("kube-proxy")];
    const dead = deadComponents(components, [record("etcd"), record("kubelet")], ({ name }) => name === "etcd");
    expect(dead.map(({ name }) => name)).toEqual(["kubelet"]);
  });

  test("waits longer after each death in a row, up to a minute, and forgets them after a while", () => {
    let deaths = afterDeath(undefined, 0);
    expect(pauseMs(undefined, 0)).toBe(0);
    const pauses = [pauseMs(deaths, 0)];
    for (let round = 0; round < 9; round++) {
      deaths = afterDeath(deaths, 0);
      pauses.push(pauseMs(deaths, 0));
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000]);
    expect(pauseMs(deaths, 300_000)).toBe(0);
    expect(afterDeath(deaths, 300_000)).toEqual({ count: 1, lastMs: 300_000 });
  });

  test("cuts a log that has grown too large and keeps what was in it", () => {
    const directory = mkdtempSync(path.join(tmpdir(), "bw-logs-"));
    try {
      writeFileSync(path.join(directory, "etcd.log"), "x".repeat(100));
      writeFileSync(path.join(directory, "kubelet.log"), "small");
      rotateLogs(directory, 50);
      expect(statSync(path.join(directory, "etcd.log")).size).toBe(0);
      expect(readFileSync(path.join(directory, "etcd.log.1"), "utf8")).toHaveLength(100);
      expect(readFileSync(path.join(directory, "kubelet.log"), "utf8")).toBe("small");
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
