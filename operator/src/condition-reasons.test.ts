import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** Wherever reasons of conditions, and of deletions' events, are decided. */
const sources = [
  "./strategy/plan.ts",
  "./strategy/references.ts",
  "./strategy/outcome.ts",
  "./strategy/trading.ts",
  "./strategy/reconcile.ts",
  "./ledger/cpu-ledger.ts",
  "./ledger/pinned.ts",
  "./llm-route/conditions.ts",
  "./llm-route/plan.ts",
  "./llm-route/reconcile.ts",
  "./observed-pod.ts",
  "./risk-policy/plan.ts",
  "./risk-policy/reconcile.ts",
  "./platform/risk-link.ts",
  "../../runtimes/risk/src/strategies/trading-status.ts",
].map((path) => readFileSync(new URL(path, import.meta.url), "utf8"));
const page = readFileSync(new URL("../../docs/conditions.md", import.meta.url), "utf8");

/** How a reason is written in the code: what follows has it as its literals. */
const places = [
  /\breason: (?:\S+ \?\? )?(?:"\w+"(?: \| )?)+/g,
  /\btype \w*Reason =(?:\s*\| "\w+")+/g,
  /\breason = .* \? "\w+" : (?:"\w+"|\S+)/g,
  /\b(?:notReady|go|no)\("\w+"/g,
  /\bdraft\(\s*"\w+",\s*"\w+"/g,
  /\bdraft\("False", phase === .*/g,
  /\bstarting\(observed, .*?"\w+"/g,
];
const words = /"([A-Z][A-Za-z]+)"/g;
/** The status of a condition, and the kubelet's words that are only compared with. */
const others = new Set(["True", "False", "Unknown", "Error", "Crashed"]);

const decided = new Set(
  sources
    .flatMap((source) => places.flatMap((place) => source.match(place) ?? []))
    .flatMap((text) => [...text.matchAll(words)].map(([, word = ""]) => word))
    .filter((word) => !others.has(word)),
);
const documented = new Set(
  [...page.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell = ""]) => [...cell.matchAll(/`(\w+)`/g)].map(([, word = ""]) => word)),
);

describe("the reasons of conditions", () => {
  test("are found in the code by the way they are written", () => {
    expect([...decided]).toEqual(
      expect.arrayContaining([
        "PositionOpen",
        "Accepted",
        "ProgramMissing",
        "NotRunning",
        "BackOff",
        "CoreCountDiffers",
        "BadInput",
        "MarketDataEnded",
      ]),
    );
  });

  test.each([...decided].toSorted())("%s is documented", (reason) => {
    expect(page).toContain(`\`${reason}\``);
  });

  test.each([...documented].toSorted())("%s, which is documented, is decided somewhere", (reason) => {
    expect(sources.some((source) => source.includes(`"${reason}"`))).toBe(true);
  });
});
