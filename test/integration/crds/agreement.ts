import { KINDS, manifestSchema } from "@bellwether/crds";
import { EXAMPLES } from "@bellwether/crds/examples";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ControlPlane } from "../control-plane.ts";
import { dryRun } from "./api.ts";

// zod judges in JavaScript, the API server in OpenAPI, RE2 and CEL. Texts near the edge of what is allowed must not tell them apart.

interface Field {
  readonly kind: string;
  readonly path: readonly (string | number)[];
  /** Texts that are near to being right. */
  readonly near: fc.Arbitrary<unknown>;
}

const pieces = (...texts: string[]): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...texts), { maxLength: 6 }).map((parts) => parts.join(""));
const decimals = pieces("0", "1", ".", "00", "25", "-", "1e3", "999999999999", "+", " ");
const durations = pieces("1", "0", "30", "s", "m", "h", "ms", "d", "168", "-");
const cronPart = fc.constantFrom(
  "*",
  "*/5",
  "0",
  "59",
  "60",
  "23",
  "24",
  "31",
  "32",
  "1-5",
  "5-1",
  "1,2",
  "MON",
  "mon",
  "JAN-MAR",
  "7",
  "8",
  "?",
  "",
);
const crons = fc.oneof(
  fc.array(cronPart, { minLength: 4, maxLength: 6 }).map((parts) => parts.join(" ")),
  fc.constantFrom("@daily", "@reboot", "@yearly"),
);
const words = fc.oneof(
  pieces("a", "B", "-", ".", "_", "/", ":", "1", "ü", "\u00A0", "\n", "'", '"', "\\"),
  fc.string({ maxLength: 50 }),
);
const numbers = fc.oneof(fc.integer({ min: -10, max: 1100 }), fc.constantFrom(0.5, 1e9, 9_007_199_254_740_991), decimals);
const days = pieces("2022-01-01", "2022-13-01", "2022-02-31", "T", "00:00:00", "24:00:00", "Z", " ", "12:30:59");

const strategy = (path: readonly (string | number)[], near: fc.Arbitrary<unknown>): Field => ({
  kind: "Strategy",
  path: ["spec", ...path],
  near,
});
const policy = (path: readonly (string | number)[], near: fc.Arbitrary<unknown>): Field => ({
  kind: "RiskPolicy",
  path: ["spec", ...path],
  near,
});

const fields: Field[] = [
  {
    kind: "Strategy",
    path: ["metadata", "name"],
    near: fc.oneof(pieces("a", "-", "1", ".", "aaaaaaaaaaaaaaaaaaaa"), fc.constant("a".repeat(41))),
  },
  strategy(["capital", "shareRatio"], decimals),
  strategy(["schedule", "cron"], crons),
  strategy(["schedule", "timeZone"], words),
  strategy(["markets", 0, "symbol"], words),
  strategy(["markets", 0, "timeframe"], durations),
  strategy(["resources", "cpus"], numbers),
  strategy(["resources", "memory"], pieces("1", "0", "512", "Mi", "M", "Gi", "m", ".5", "")),
  strategy(["alerts", 0, "threshold"], fc.oneof(decimals, durations)),
  strategy(["alerts", 1, "threshold"], fc.oneof(decimals, durations)),
  strategy(["program", "source", "configMapRef", "name"], words),
  strategy(["program", "source", "configMapRef", "key"], words),
  strategy(["program", "source", "parameters"], fc.dictionary(words, fc.oneof(numbers, words, fc.boolean()), { maxKeys: 3 })),
  strategy(["backtest"], fc.record({ dataset: fc.constant({ synthetic: { seed: 1 } }), from: days, to: days })),
  policy(["accounts", 0, "paper", "feeBps"], numbers),
  policy(
    ["accounts", 1, "paper", "market", "ccxt", "baseUrl"],
    fc.oneof(pieces("http://", "https://", "a.b", "/", "?", "#", "@", ":80", " ", "\u00A0", "é"), fc.webUrl()),
  ),
  policy(["circuitBreakers", 0, "threshold"], numbers),
  policy(["circuitBreakers", 2, "threshold"], numbers),
  policy(["circuitBreakers", 3, "threshold"], numbers),
  policy(["circuitBreakers", 4, "window"], durations),
  policy(["limits", "maxOrderNotional"], decimals),
  policy(["gas", "spikeMultiple"], decimals),
  { kind: "Checkpoint", path: ["spec", "selector", "matchLabels"], near: fc.dictionary(words, words, { maxKeys: 2 }) },
  { kind: "Checkpoint", path: ["spec", "minVerifiedCopies"], near: numbers },
  {
    kind: "LlmRoute",
    path: ["spec", "routing", "fallback"],
    near: fc.array(fc.constantFrom("local", "large", "nowhere", "Local"), { maxLength: 3 }),
  },
  { kind: "LlmRoute", path: ["spec", "cache", "semantic", "minSimilarity"], near: decimals },
];

function changed(manifest: object, path: readonly (string | number)[], value: unknown): object {
  const copy = structuredClone(manifest) as Record<string | number, unknown>;
  const keys = [...path];
  const last = keys.pop()!;
  let node = copy;
  for (const key of keys) node = node[key] as Record<string | number, unknown>;
  node[last] = value;
  return copy;
}

const everyField = (kind: string): object =>
  EXAMPLES.find((examples) => examples.kind === kind)!.accept.find(({ name }) => name === "every field")!.manifest;

/** Of one control plane with the CRDs in it. */
export function schemasAgree(plane: () => ControlPlane): void {
  describe.each(fields)("$kind $path", ({ kind, path, near }) => {
    const schema = manifestSchema(KINDS.find(({ names }) => names.kind === kind)!);

    test("about values near the edge of what is allowed", async () => {
      const property = fc.asyncProperty(near, async (value) => {
        const manifest = changed(everyField(kind), path, value);
        const { status, message } = await dryRun(plane(), kind, manifest);
        const judged = schema.safeParse(manifest);
        expect({ value, accepted: judged.success }, `${message}\n${judged.error?.message ?? ""}`).toEqual({
          value,
          accepted: status === 201,
        });
      });
      await fc.assert(property, { numRuns: 40, seed: 20_260_101, endOnFailure: true });
    });
  });
}
