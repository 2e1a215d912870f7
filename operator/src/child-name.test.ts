import { describe, expect, test } from "vitest";
import { agentName, brokerName, childName, riskName } from "./child-name.ts";

describe("names of children", () => {
  test("carry kind, object and role", () => {
    expect([agentName("btc"), riskName("main"), brokerName("main", "paper")]).toEqual([
      "strat-btc-agent",
      "rpol-main-risk",
      "rpol-main-broker-paper",
    ]);
  });

  test("of the longest object fit without a hash where one name stands in them", () => {
    expect(agentName("a".repeat(40))).toBe(`strat-${"a".repeat(40)}-agent`);
  });

  test("never pass 52 characters, and differ where the objects do", () => {
    const names = ["x", "y"].map((last) => childName("rpol", "p".repeat(40), `broker-${"a".repeat(39)}${last}`));
    expect(names.map((name) => name.length)).toEqual([52, 52]);
    expect(names[0]).not.toBe(names[1]);
  });
});
