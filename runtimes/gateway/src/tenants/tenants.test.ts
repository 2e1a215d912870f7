import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { StaticTokens } from "./static-tokens.ts";
import { Tenants } from "./tenant.ts";

const route = { uid: "r", name: "main", namespace: "bellwether" };
const account = (name: string, namespace = "bellwether"): { subject: string } => ({
  subject: `system:serviceaccount:${namespace}:${name}`,
});

describe("without a list of callers", () => {
  const tenants = new Tenants({ route, callers: undefined }, false);
  test("every ServiceAccount of the route's namespace is a tenant of its own", () => {
    expect(tenants.of(account("strat-a-agent"))).toEqual({ name: "strat-a-agent", weight: 1 });
  });
  test("one of another namespace is not let in", () => {
    expect(() => tenants.of(account("strat-a-agent", "other"))).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
  });
});

test("with a list, those on it are let in under the names it gives, and nobody else", () => {
  const callers = [{ subject: account("strat-a-agent").subject, tenant: "a", weight: 3 }];
  const tenants = new Tenants({ route, callers }, false);
  expect(tenants.of(account("strat-a-agent"))).toEqual({ name: "a", weight: 3 });
  expect(() => tenants.of(account("strat-b-agent"))).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
});

describe("a file of static tokens", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "bellwether-tokens-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const write = (text: string): string => {
    const file = path.join(directory, "tokens.json");
    writeFileSync(file, text);
    return file;
  };

  test("tells who has which token", async () => {
    const tokens = new StaticTokens(write('{"alpha": "0123456789abcdef"}'));
    expect(await tokens.verify("0123456789abcdef")).toEqual({ subject: "alpha" });
    await expect(tokens.verify("0123456789abcdeg")).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  const faulty: [name: string, text: string][] = [
    ["is no JSON", '{"alpha": "canary-0123456789'],
    ["has a token that is too short", '{"alpha": "canary-01"}'],
    ["has a tenant without a name", '{"": "canary-0123456789"}'],
  ];
  test.each(faulty)("one that %s is refused without quoting it", (_name, text) => {
    const open = (): StaticTokens => new StaticTokens(write(text));
    expect(open).toThrow(expect.objectContaining({ code: "TOKENS_FILE_INVALID" }));
    expect(open).not.toThrow(/canary/);
  });
});
