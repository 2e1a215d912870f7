import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { goBuilds } from "./binaries.ts";
import { versionsHash } from "./cache-directory.ts";
import { withLock } from "./lock.ts";

describe("Go builds", () => {
  test("all of Kubernetes is one build from our module, every other program one installation", () => {
    const builds = goBuilds(["helm", "kubelet", "kubectl"], "/out");
    expect(builds.map(({ names, install }) => [names, install])).toEqual([
      [["kubelet", "kubectl"], false],
      [["helm"], true],
    ]);
    expect(builds[0]?.args).toEqual(
      expect.arrayContaining(["-trimpath", "-mod=readonly", "-o", "/out/", "k8s.io/kubernetes/cmd/kubelet"]),
    );
    expect(builds[1]?.args.at(-1)).toMatch(/^helm\.sh\/helm\/v4\/cmd\/helm@v\d+\.\d+\.\d+$/);
  });

  test("Ollama alone is compiled with C++, everything else is static", () => {
    const builds = goBuilds(["coredns", "kubelet", "ollama"], "/out");
    expect(builds.filter(({ cgo }) => cgo).map(({ names }) => names)).toEqual([["ollama"]]);
  });

  test("Kubernetes is stamped with its version, or it would call itself v0.0.0-master", () => {
    expect(goBuilds(["kubelet"], "/out")[0]?.args.join(" ")).toMatch(/component-base\/version\.gitVersion=v1\.\d+\.\d+/);
  });

  test("another version of anything is another cache directory", () => {
    expect(versionsHash(["a"], "linux-x64")).toMatch(/^[0-9a-f]{12}$/);
    expect(versionsHash(["a"], "linux-x64")).not.toBe(versionsHash(["b"], "linux-x64"));
    expect(versionsHash(["a"], "linux-x64")).not.toBe(versionsHash(["a"], "linux-arm64"));
  });
});

describe("the lock", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), "bw-lock-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const onWait = (): void => undefined;

  test("lets one in at a time", async () => {
    const file = path.join(directory, "lock");
    let inside = 0;
    const work = async (): Promise<number> => {
      inside += 1;
      const seen = inside;
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
      return seen;
    };
    const options = { waitMs: 10_000, onWait };
    expect(await Promise.all([withLock(file, options, work), withLock(file, options, work)])).toEqual([1, 1]);
  });

  test("is taken over from a process that is gone", async () => {
    const file = path.join(directory, "lock");
    writeFileSync(file, JSON.stringify({ pid: 2 ** 22 - 1, startTime: "1" }));
    expect(await withLock(file, { waitMs: 1_000, onWait }, () => Promise.resolve("in"))).toBe("in");
  });

  test("held by a living process is refused after the wait, with its pid", async () => {
    const file = path.join(directory, "lock");
    const options = { waitMs: 0, onWait };
    const inner = withLock(file, { waitMs: 1_000, onWait }, () => withLock(file, options, () => Promise.resolve("never")));
    await expect(inner).rejects.toMatchObject({ code: "LOCK_HELD", context: { pid: process.pid } });
  });
});
