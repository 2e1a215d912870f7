import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { afterAll, describe, expect, test } from "vitest";
import { CallersFile } from "./callers-file.ts";
import { StaticTokens } from "./static-tokens.ts";
import { Tenants } from "./tenant.ts";

const directory = mkdtempSync(path.join(tmpdir(), "bellwether-tenants-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const fileOf = (name: string, text: string): string => {
  const file = path.join(directory, name);
  writeFileSync(file, text);
  return file;
};

describe("the list of callers", () => {
  const account = (name: string): { subject: string } => ({ subject: `system:serviceaccount:bellwether:strat-${name}-agent` });
  const listed = (...names: string[]): string =>
    JSON.stringify(names.map((name, index) => ({ ...account(name), tenant: name, weight: index + 1 })));
  const open = (name: string, text: string) => {
    const clock = new ManualClock();
    const file = fileOf(name, text);
    const callers = new CallersFile(file, clock);
    const tenants = new Tenants((subject) => callers.tenant(subject));
    const change = async (next: string): Promise<void> => {
      fileOf(name, next);
      await clock.advance(2_000);
    };
    return { callers, tenants, change };
  };
  const refused = expect.objectContaining({ code: "FORBIDDEN" });

  test("lets in those on it, under the names it gives, and nobody else", () => {
    const { tenants } = open("some.json", listed("a", "b"));
    expect(tenants.of(account("b"))).toEqual({ name: "b", weight: 2 });
    expect(() => tenants.of(account("c"))).toThrow(refused);
    expect(() => tenants.of({ subject: "system:serviceaccount:other:strat-a-agent" })).toThrow(refused);
  });

  test("is read again when it changes: who was taken off is refused", async () => {
    const { tenants, change } = open("changing.json", listed("a"));
    expect(tenants.of(account("a")).name).toBe("a");
    await change(listed("longer-name"));
    expect(() => tenants.of(account("a"))).toThrow(refused);
    expect(tenants.of(account("longer-name")).name).toBe("longer-name");
  });

  const faulty: [name: string, text: string, says: RegExp][] = [
    ["no JSON", "[{", /not JSON/],
    ["a row without a tenant", '[{"subject":"x"}]', /0\.tenant/],
  ];
  test.each(faulty)("with %s says so, and the last good one holds", async (name, text, says) => {
    const { callers, tenants, change } = open(`${name}.json`, listed("a"));
    expect(callers.fault()).toBeUndefined();
    await change(text);
    expect(tenants.of(account("a")).name).toBe("a");
    expect(callers.fault()).toMatch(says);
  });

  test("that is not there lets in nobody", () => {
    const callers = new CallersFile(path.join(directory, "none.json"), new ManualClock());
    expect(callers.tenant(account("a").subject)).toBeUndefined();
    expect(callers.fault()).toMatch(/ENOENT/);
  });
});

describe("a file of static tokens", () => {
  const write = (text: string): string => fileOf("tokens.json", text);

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
