import { readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { skipReason } from "../cluster/prerequisites.ts";
import { apply, condition, get, kubectl, query, waitFor } from "../cluster/kubectl.ts";
import { programConfigMap, riskPolicy, strategy } from "./manifests.ts";

const barsFile = path.resolve(import.meta.dirname, "../../../shared/data/btc-perp-1m.csv");
const source = (name: string): string => `{source: {configMapRef: {name: ${name}, key: program.ts}}}`;
const module = (body: string): string =>
  `import { defineStrategy } from "@bellwether/agent";\nexport default defineStrategy({ onBar(context) { ${body} } });\n`;

const broken = [
  { name: "throws", body: 'throw new Error("no such indicator: zig-zag");', says: /zig-zag/ },
  { name: "hangs", body: "for (;;);", says: /time|ms/i },
  {
    name: "leaks",
    body: "const all: number[][] = []; for (;;) all.push(Array.from({ length: 100_000 }, () => 1.5));",
    says: /memory|MiB/i,
  },
];

describe.skipIf(skipReason)(`programs${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  beforeAll(async () => {
    await apply(riskPolicy("lab"));
    await waitFor(async () => condition(await get("riskpolicy", "lab"), "Ready")?.status === "True", {
      timeoutMs: 120_000,
      what: "lab Ready",
    });
  });
  afterAll(async () => {
    await kubectl(["delete", "strategy", "own", "history", ...broken.map(({ name }) => name), "--ignore-not-found"], {
      timeoutMs: 180_000,
    });
    await kubectl(["delete", "riskpolicy", "lab", "--ignore-not-found"], { timeoutMs: 120_000 });
    await kubectl(["delete", "configmap", "own", "bars", ...broken.map(({ name }) => name), "--ignore-not-found"]);
  });

  test("come in TypeScript straight from a ConfigMap", async () => {
    const body =
      'const bar = context.bars(1)[0]; if (bar && context.position.quantity === "0") context.buy({ notional: "250" });';
    await apply(programConfigMap("own", module(body)));
    await apply(strategy({ name: "own", program: source("own") }));
    const bought =
      "SELECT 1 FROM broker.fills JOIN risk.orders o USING (client_order_id) JOIN risk.strategies s ON s.uid = o.strategy_uid WHERE s.name = 'own'";
    await waitFor(async () => (await query(bought)).length > 0, { timeoutMs: 120_000, what: "a fill" });
  });

  test.each(broken)(
    "that $name end as ProgramFailed with a first line, and nobody else notices",
    async ({ name, body, says }) => {
      await apply(programConfigMap(name, module(body)));
      await apply(strategy({ name, program: source(name) }));
      const ready = await waitFor(
        async () => {
          const found = condition(await get("strategy", name), "Ready");
          return found?.reason === "ProgramFailed" ? found : undefined;
        },
        { timeoutMs: 150_000, what: `${name} ProgramFailed` },
      );
      expect(ready.status).toBe("False");
      expect(ready.message).toMatch(says);
      expect((await get("strategy", "quickstart-momentum"))?.status?.phase).toBe("Running");
      // It keeps its place among the agents that may run at once for as long as it exists.
      await kubectl(["delete", "strategy", name], { timeoutMs: 60_000 });
    },
  );

  test.skipIf(!hasBars())("run a backtest of the real bars to its end in a pod", async () => {
    const binary = gzipSync(readFileSync(barsFile), { level: 9 }).toString("base64");
    const bars = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "bars" }, binaryData: { "bars.csv.gz": binary } };
    await kubectl(["apply", "--server-side", "-f", "-"], { input: JSON.stringify(bars) });
    const extra = `  backtest:
    dataset: {configMapRef: {name: bars, key: bars.csv.gz}, symbol: BTC/USDT, volumeUnit: Quote, gaps: Skip}
    seed: 1
    startingBalances: [{asset: USDT, amount: "10000"}]`;
    await apply(strategy({ name: "history", mode: "Backtest", program: "{builtin: {name: momentum}}", extra }));
    const done = await waitFor(
      async () => {
        const found = await get("strategy", "history");
        return found?.status?.phase === "Completed" ? found : undefined;
      },
      { timeoutMs: 120_000, what: "the backtest Completed" },
    );
    expect(done.status.backtest.bars).toBeGreaterThan(45_000);
    expect(done.status.backtest.logSha256).toMatch(/^[0-9a-f]{64}$/);
  });
});

function hasBars(): boolean {
  try {
    return readFileSync(barsFile).length > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
