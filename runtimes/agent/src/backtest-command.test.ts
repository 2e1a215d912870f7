import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { scriptedGateway } from "./llm/testing/scripted-gateway.ts";
import { manifestYaml } from "./backtest/testing/manifests.ts";

const command = fileURLToPath(new URL("./backtest-command.ts", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "bellwether-backtest-"));
const manifest = path.join(folder, "strategy.yaml");
writeFileSync(manifest, manifestYaml);

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...words: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [command, ...words], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

describe("npm run backtest", () => {
  test("prints the fields of status.backtest and the fills as JSON, money as text", async () => {
    const { code, stdout, stderr } = await run("-f", manifest, "-o", "json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { fills, ...figures } = JSON.parse(stdout) as { fills: object[] };
    expect(figures).toEqual({
      bars: 3000,
      trades: expect.any(Number),
      pnlRatio: expect.any(String),
      maxDrawdownRatio: expect.any(String),
      sharpe: expect.any(String),
      finalEquity: expect.any(String),
      fees: expect.any(String),
      logSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(fills[0]).toEqual({
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      market: "BTC/USDT",
      side: "buy",
      quantity: expect.any(String),
      price: expect.any(String),
      fee: expect.any(String),
    });
  });

  test("runs a module of one's own, and says where it failed", async () => {
    const file = path.join(folder, "mine.ts");
    writeFileSync(
      file,
      'import { defineStrategy } from "@bellwether/agent";\nexport default defineStrategy({\n  parameters: { fast: 1, equityRatio: "1" },\n  onBar() { throw new Error("no idea"); },\n});\n',
    );
    const { code, stdout, stderr } = await run("-f", manifest, "--program", file);
    expect({ code, stdout, stderr }).toEqual({ code: 70, stdout: "", stderr: `backtest: Error: no idea (${file}:4)\n` });
  });

  test("records what a model says on the first run and replays it without one, to the same digest", async () => {
    const program = "{ builtin: { name: llm-analyst, parameters: { bars: 60 } } }";
    const analyst = path.join(folder, "analyst.yaml");
    const text = manifestYaml
      .replace(/program: .*/, `llmRouteRef: { name: r }\n  program: ${program}`)
      .replace("bars: 3000", "bars: 100");
    writeFileSync(analyst, text);
    const answers = path.join(folder, "answers.jsonl");
    const model = await scriptedGateway();
    const words = ["-f", analyst, "-o", "json", "--answers", answers];
    const first = await run(...words, "--gateway", model.url);
    expect({ code: first.code, stderr: first.stderr, asked: model.asked() }).toEqual({ code: 0, stderr: "", asked: 41 });
    expect((await run(...words, "--gateway", model.url)).stdout).toBe(first.stdout);
    expect(model.asked()).toBe(41);
    await model.close();

    const replayed = await run(...words);
    expect(replayed).toEqual({ code: 0, stdout: first.stdout, stderr: "" });
    const source = fileURLToPath(new URL("./programs/llm-analyst.ts", import.meta.url));
    expect(await run(...words, "--program", source)).toEqual(replayed);
    const { fills } = JSON.parse(replayed.stdout) as { fills: { side: string }[] };
    expect(fills[0]).toMatchObject({ side: "buy" });

    writeFileSync(analyst, text.replace("bars: 60", "bars: 61"));
    expect(await run(...words)).toMatchObject({
      code: 65,
      stdout: "",
      stderr: expect.stringContaining("no answer is recorded") as string,
    });
  });

  test("states the fill model in its help", async () => {
    const { code, stdout } = await run("--help");
    expect(code).toBe(0);
    for (const said of ["open of the next bar", "slippageBps", "feeBps", "last close"]) expect(stdout).toContain(said);
  });

  test.each([
    { words: [], code: 64, says: "-f strategy.yaml is missing" },
    { words: ["-f", manifest, "-o", "xml"], code: 64, says: "-o is xml: must be one of json, table" },
    { words: ["-f", manifest, "--gateway", "http://127.0.0.1:1"], code: 64, says: "--gateway needs --answers" },
    { words: ["-f", manifest, "--answers", path.join(folder, "none.jsonl")], code: 65, says: "none.jsonl" },
    { words: ["-f", manifest, "--answers", manifest], code: 65, says: "no file of recorded answers" },
    { words: ["-f", manifest, "--speed"], code: 64, says: "--speed" },
    { words: ["-f", path.join(folder, "none.yaml")], code: 65, says: "none.yaml" },
    { words: ["-f", manifest, "--data", path.join(folder, "none.csv")], code: 65, says: "none.csv" },
  ])("ends with $code for $words", async ({ words, code, says }) => {
    const outcome = await run(...words);
    expect(outcome).toMatchObject({ code, stdout: "" });
    expect(outcome.stderr).toContain(says);
  });
});
