import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { loadClusterAccess } from "./cluster-access.ts";
import { isKubernetesError } from "./errors.ts";

let directory: string;
let clock: ManualClock;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "bw-access-"));
  clock = new ManualClock();
});

afterEach(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const full = path.join(directory, name);
  writeFileSync(full, text);
  return full;
}

const kubeconfig = (user: object, context: object = {}) =>
  JSON.stringify({
    "current-context": "c",
    clusters: [{ name: "k", cluster: { server: "https://10.0.0.1:6443", "certificate-authority": "ca.crt" } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "c", context: { cluster: "k", user: "u", ...context } }],
  });

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "none",
    (error: unknown) => (isKubernetesError(error) ? error.code : String(error)),
  );
}

describe("loadClusterAccess with a kubeconfig", () => {
  test("reads certificates beside the file, and embedded ones", async () => {
    file("ca.crt", "CA");
    const data = (text: string) => Buffer.from(text).toString("base64");
    const user = { "client-certificate-data": data("CERT"), "client-key-data": data("KEY") };
    const access = await loadClusterAccess({
      env: { KUBECONFIG: file("config", kubeconfig(user, { namespace: "here" })) },
      clock,
    });
    expect([access.server.href, access.namespace]).toEqual(["https://10.0.0.1:6443/", "here"]);
    expect(await access.tls()).toEqual({ ca: "CA", cert: "CERT", key: "KEY" });
    expect(await access.authorization()).toBeUndefined();
  });

  test("understands YAML, tokens, and several files of which the first wins", async () => {
    const second = file("second", kubeconfig({ token: "ignored" }));
    const first = file(
      "first",
      "users:\n- name: u\n  user:\n    token: secret\ncurrent-context: c\ncontexts: []\nclusters: []\n",
    );
    const access = await loadClusterAccess({ env: { KUBECONFIG: `${first}:${second}` }, clock });
    expect(await access.authorization()).toBe("Bearer secret");
    expect(access.namespace).toBe("default");
  });

  test("takes the context it is told, and says which one is not there", async () => {
    const other = { name: "other", context: { cluster: "k", user: "u", namespace: "there" } };
    const config = JSON.parse(kubeconfig({ token: "t" })) as { contexts: object[] };
    const text = JSON.stringify({ ...config, contexts: [...config.contexts, other] });
    const env = { KUBECONFIG: file("config", text) };
    expect((await loadClusterAccess({ env, clock, context: "other" })).namespace).toBe("there");
    const refused = loadClusterAccess({ env, clock, context: "prod" });
    await expect(refused).rejects.toMatchObject({
      code: "CLUSTER_ACCESS_INVALID",
      message: expect.stringContaining('"prod"') as string,
    });
  });

  test("runs a login program and uses its token", async () => {
    const credential = JSON.stringify({ status: { token: "from-program" } });
    const user = { exec: { command: process.execPath, args: ["-e", `console.log(${JSON.stringify(credential)})`] } };
    const access = await loadClusterAccess({ env: { KUBECONFIG: file("config", kubeconfig(user)) }, clock });
    expect(await access.authorization()).toBe("Bearer from-program");
  });

  test.each([
    ["no such file", undefined, "CREDENTIALS_UNREADABLE"],
    ["no YAML", "\t{", "CLUSTER_ACCESS_INVALID"],
    ["no such context", JSON.stringify({ "current-context": "x" }), "CLUSTER_ACCESS_INVALID"],
    ["a cluster without server", JSON.stringify({ clusters: [{ name: "k", cluster: {} }] }), "CLUSTER_ACCESS_INVALID"],
  ])("names the fault: %s", async (_, text, code) => {
    const name = text === undefined ? path.join(directory, "none") : file("config", text);
    expect(await codeOf(loadClusterAccess({ env: { KUBECONFIG: name }, clock }))).toBe(code);
  });
});

describe("loadClusterAccess in a pod", () => {
  test("uses the service account, and reads its token again when it was renewed or refused", async () => {
    file("ca.crt", "CA");
    file("token", "one\n");
    file("namespace", "bellwether");
    const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
    const access = await loadClusterAccess({ env, clock, serviceAccountDir: directory });
    expect([access.server.href, access.namespace]).toEqual(["https://[fd00::1]/", "bellwether"]);
    expect(await access.authorization()).toBe("Bearer one");
    file("token", "two");
    expect(await access.authorization()).toBe("Bearer one");
    await clock.advance(31_000);
    expect(await access.authorization()).toBe("Bearer two");
    file("token", "three");
    access.forget();
    expect(await access.authorization()).toBe("Bearer three");
  });

  test("says what it looked for when there is nothing", async () => {
    expect(await codeOf(loadClusterAccess({ env: {}, clock, serviceAccountDir: directory }))).toBe("CLUSTER_ACCESS_INVALID");
  });
});
