import { routeCallers } from "@bellwether/gateway/config";
import { describe, expect, test } from "vitest";
import { testRoute, testStrategy } from "../testing/objects.ts";
import { callersText } from "./callers.ts";

const onRoute = { llmRouteRef: { name: "mixed" } };
const strategy = (name: string, spec: object = onRoute, metadata: object = {}) => {
  const made = testStrategy(name, spec);
  return { ...made, metadata: { ...made.metadata, ...metadata } };
};
const names = (...given: Parameters<typeof callersText>[1]): string[] =>
  routeCallers.parse(JSON.parse(callersText(testRoute(), given))).map(({ tenant }) => tenant);

describe("the callers of a route", () => {
  test.each<{ when: string; given: ReturnType<typeof strategy>; then: string[] }>([
    { when: "a strategy names it", given: strategy("a"), then: ["a"] },
    { when: "a strategy names another", given: strategy("a", { llmRouteRef: { name: "other" } }), then: [] },
    { when: "a strategy names none", given: strategy("a", {}), then: [] },
    { when: "it is suspended", given: strategy("a", { ...onRoute, suspend: true }), then: [] },
    { when: "it is being deleted", given: strategy("a", onRoute, { deletionTimestamp: "2026-01-02T00:00:00Z" }), then: [] },
    { when: "it is of another namespace", given: strategy("a", onRoute, { namespace: "other" }), then: [] },
  ])("are $then when $when", ({ given, then }) => {
    expect(names(given)).toEqual(then);
  });

  test("are the agents' ServiceAccounts, in an order that does not depend on the cache's", () => {
    const [a, b] = [strategy("a"), strategy("b")];
    expect(callersText(testRoute(), [b, a])).toBe(callersText(testRoute(), [a, b]));
    expect(JSON.parse(callersText(testRoute(), [a]))).toEqual([
      { subject: "system:serviceaccount:demo:strat-a-agent", tenant: "a" },
    ]);
  });
});
