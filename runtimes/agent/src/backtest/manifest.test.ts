import { describe, expect, test } from "vitest";
import { readManifest } from "./manifest.ts";
import { manifestYaml, policyYaml, strategyYaml } from "./testing/manifests.ts";

describe("a manifest", () => {
  test("gives the strategy under its policy's costs and limits, defaults filled in", () => {
    const { config } = readManifest(manifestYaml, {});
    expect(config).toMatchObject({
      mode: "Backtest",
      strategy: { name: "demo" },
      program: { builtin: "momentum", parameters: { fast: 10, equityRatio: "0.1" } },
      schedule: { kind: "onBar" },
      backtest: {
        dataset: { synthetic: { seed: 3, bars: 3000 } },
        volumeUnit: "Quote",
        seed: 5,
        startingBalances: [{ asset: "USDT", amount: "10000" }],
        feeBps: "7.5",
        slippageBps: "5",
        limits: { maxPositionRatio: "0.20", maxOpenOrders: 20 },
      },
    });
  });

  test("gives way to the command line: data, unit, gaps, program", () => {
    const overrides = { data: "bars.csv", volumeUnit: "Base", gaps: "Skip", program: "mine.ts" } as const;
    expect(readManifest(manifestYaml, overrides).config).toMatchObject({
      program: { source: { file: "mine.ts", name: "mine.ts" }, parameters: { fast: 10 } },
      backtest: { dataset: { file: "bars.csv" }, volumeUnit: "Base", gaps: "Skip" },
    });
  });

  test("may hold the program and the bars in ConfigMaps beside it", () => {
    const source = strategyYaml
      .replace(/program: .*/, "program: { source: { configMapRef: { name: mine, key: strategy.ts } } }")
      .replace("synthetic: { seed: 3, bars: 3000 }", "configMapRef: { name: mine, key: bars.csv.gz }");
    const configMap = `apiVersion: v1
kind: ConfigMap
metadata: { name: mine }
data: { strategy.ts: "export default 1;" }
binaryData: { bars.csv.gz: "H4s=" }
`;
    const { config, files } = readManifest(`${policyYaml}---\n${source}---\n${configMap}`, {});
    expect(config).toMatchObject({
      program: { source: { file: "mine/strategy.ts" } },
      backtest: { dataset: { file: "mine/bars.csv.gz" } },
    });
    expect(new TextDecoder().decode(files.get("mine/strategy.ts"))).toBe("export default 1;");
    expect([...(files.get("mine/bars.csv.gz") ?? [])]).toEqual([0x1f, 0x8b]);
  });

  test("of a Paper strategy runs over the data given", () => {
    const paper = strategyYaml.replace(/ {2}backtest:.*\n/, "");
    expect(() => readManifest(`${policyYaml}---\n${paper}`, {})).toThrow(
      "the Strategy has no spec.backtest.dataset: give the bars with --data",
    );
    expect(readManifest(`${policyYaml}---\n${paper}`, { data: "bars.csv" }).config.backtest.dataset).toEqual({
      file: "bars.csv",
    });
  });

  test.each([
    { when: "it is empty", yaml: "", says: ["there is no Strategy"] },
    { when: "it is no YAML", yaml: "a: [", says: ["YAML:"] },
    { when: "the policy is missing", yaml: strategyYaml, says: ["there is no RiskPolicy main in it, which Strategy demo names"] },
    { when: "there are two strategies", yaml: `${manifestYaml}---\n${strategyYaml}`, says: ["there are 2 Strategies in it"] },
    {
      when: "the account is missing",
      yaml: `${policyYaml}---\n${strategyYaml.replace("account: paper", "account: live")}`,
      says: ["RiskPolicy main has no account live (it has paper)", "spec.backtest.startingBalances is missing"],
    },
    {
      when: "several fields are wrong",
      yaml: `${policyYaml.replace('feeBps: "7.5"', "feeBps: 5000")}---\n${strategyYaml.replace("timeframe: 1m", "timeframe: soon").replace("seed: 5", "sed: 5")}`,
      says: [
        "RiskPolicy main: spec.accounts.0.paper.feeBps",
        "Strategy demo: spec.markets.0.timeframe",
        "Strategy demo: spec.backtest",
      ],
    },
    {
      when: "the module is nowhere",
      yaml: manifestYaml.replace(/program: .*/, "program: { source: { configMapRef: { name: mine, key: strategy.ts } } }"),
      says: ["the manifest holds no ConfigMap with mine/strategy.ts: give the module with --program file.ts"],
    },
  ])("is refused when $when, with everything that is wrong", ({ yaml, says }) => {
    let message = "accepted";
    try {
      readManifest(yaml, {});
    } catch (error) {
      message = (error as Error).message;
      expect(error).toMatchObject({ code: "BAD_MANIFEST" });
    }
    for (const text of says) expect(message).toContain(text);
  });
});
