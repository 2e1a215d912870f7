import { API_VERSION, GROUP, KINDS } from "@bellwether/crds";
import { EXAMPLES } from "@bellwether/crds/examples";
import { describe, expect, test } from "vitest";
import type { ControlPlane } from "../control-plane.ts";
import { type Answer, create, dryRun, merge } from "./api.ts";

/** Of one control plane with the CRDs in it. */
export function examplesAreJudged(plane: () => ControlPlane): void {
  describe.each(EXAMPLES)("$kind", ({ kind, accept, reject }) => {
    test.each(accept)("takes $name", async ({ manifest }) => {
      expect(await dryRun(plane(), kind, manifest)).toEqual({ status: 201, message: "" });
    });

    test.each(reject)("refuses $name", async ({ manifest, field, says }) => {
      const { status, message } = await dryRun(plane(), kind, manifest);
      expect([400, 422]).toContain(status);
      expect(message).toContain(field);
      if (says !== undefined) expect(message).toContain(says);
    });
  });

  test("names field, value and allowed range in one line", async () => {
    const manifest = {
      apiVersion: API_VERSION,
      kind: "RiskPolicy",
      metadata: { name: "wide" },
      spec: riskPolicySpec({ maxPositionRatio: "1.5", maxOpenOrders: 5000 }),
    };
    const { message } = await dryRun(plane(), "RiskPolicy", manifest);
    expect(message).toContain("spec.limits.maxPositionRatio");
    expect(message).toContain("greater than 0 and at most 1");
    expect(message).toContain("got 1.5");
    expect(message).toContain("spec.limits.maxOpenOrders: Invalid value: 5000:");
    expect(message).toContain("must be a whole number between 1 and 1000");
  });

  test("keeps a policy's base currency", async () => {
    const manifest = { apiVersion: API_VERSION, kind: "RiskPolicy", metadata: { name: "immutable" }, spec: riskPolicySpec({}) };
    expect((await create(plane(), "RiskPolicy", manifest)).status).toBe(201);
    const { status, message } = await merge(plane(), "riskpolicies/immutable", { spec: { baseCurrency: "EUR" } });
    expect({ status, message }).toMatchObject({
      status: 422,
      message: expect.stringContaining("baseCurrency cannot be changed") as string,
    });
    expect((await merge(plane(), "riskpolicies/immutable", { spec: { trading: "Halted" } })).status).toBe(200);
  });

  test("lets a strategy change its account only while it holds nothing", async () => {
    const spec = {
      riskPolicyRef: { name: "p", account: "one" },
      markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
      program: { builtin: { name: "momentum" } },
    };
    await create(plane(), "Strategy", { apiVersion: API_VERSION, kind: "Strategy", metadata: { name: "moving" }, spec });
    const move = (account: string): Promise<Answer> =>
      merge(plane(), "strategies/moving", { spec: { riskPolicyRef: { account } } });
    const hold = (positions: object[]): Promise<Answer> => merge(plane(), "strategies/moving/status", { status: { positions } });

    expect((await move("two")).status).toBe(200);
    expect((await hold([{ market: "BTC/USDT", quantity: "0.1" }])).status).toBe(200);
    const { status, message } = await move("three");
    expect({ status, message }).toMatchObject({ status: 422, message: expect.stringContaining("holds a position") as string });
    expect((await hold([])).status).toBe(200);
    expect((await move("three")).status).toBe(200);
  });

  test.each(KINDS)("prints $names.kind in the columns of the design", async ({ names, columns }) => {
    const [example] = EXAMPLES.find(({ kind }) => kind === names.kind)?.accept ?? [];
    await create(plane(), names.kind, example?.manifest ?? {});
    const header = async (...args: string[]): Promise<string[]> => {
      const { stdout } = await plane().kubectl(["get", names.shortNames[0] ?? "", ...args]);
      return stdout.split("\n")[0]?.split(/\s+/).filter(Boolean) ?? [];
    };
    expect(await header()).toEqual(["NAME", ...columns.filter(({ wide }) => !wide).map(({ name }) => name)]);
    expect(await header("-o", "wide")).toEqual(["NAME", ...columns.map(({ name }) => name)]);
  });

  test("lists every kind by the category", async () => {
    const { stdout } = await plane().kubectl(["get", "bellwether", "-o", "name"]);
    for (const { names } of KINDS) expect(stdout).toContain(`${names.singular}.${GROUP}/example`);
  });
}

function riskPolicySpec(limits: object): object {
  return {
    baseCurrency: "USDT",
    limits,
    accounts: [
      {
        name: "main",
        paper: { balances: [{ asset: "USDT", amount: "1" }], market: { replay: { dataset: { synthetic: { seed: 1 } } } } },
      },
    ],
  };
}
