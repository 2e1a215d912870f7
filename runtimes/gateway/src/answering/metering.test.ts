import { parseDecimal } from "@bellwether/trading/decimal";
import { describe, expect, test } from "vitest";
import type { Usage } from "../backends/backend.ts";
import { type Charge, chargeFor, chargeForFailure, worstCase } from "./metering.ts";

const price = { inputPerMillionTokens: parseDecimal("1"), outputPerMillionTokens: parseDecimal("10") };
const model = { price };
const bounds = { inputTokens: 1_000, outputTokens: 100 };
const usage = (inputTokens: number, outputTokens: number): Usage => ({ inputTokens, outputTokens, cachedInputTokens: 0 });

describe("an answer is charged", () => {
  const cases: [when: string, reported: Usage | undefined, basis: Charge["basis"]][] = [
    ["with what was reported", usage(900, 100), "reported"],
    ["with what was reported, a server's own end of turn included", usage(900, 130), "reported"],
    ["with the bound when nothing was reported", undefined, "bound"],
    ["with the bound when more went in than was sent", usage(1_001, 10), "bound"],
    ["with the bound when more came out than may", usage(10, 165), "bound"],
  ];
  test.each(cases)("%s", (_when, reported, basis) => {
    const charge = chargeFor(reported, { model, bounds });
    expect(charge.basis).toBe(basis);
    expect(charge.spend.usd).toBeLessThanOrEqual(worstCase(model, bounds).usd);
  });

  test("never above what was held", () => {
    expect(chargeFor(usage(1_000, 9_000_000_000), { model, bounds }).spend).toEqual(worstCase(model, bounds));
  });
});

test("a failure costs the bound where the provider may have worked, nothing where it has not", () => {
  expect(chargeForFailure({ mayBeBilled: true }, { model, bounds })).toEqual({ spend: worstCase(model, bounds), basis: "bound" });
  expect(chargeForFailure({ mayBeBilled: false }, { model, bounds }).basis).toBe("nothing");
});
