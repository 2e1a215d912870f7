import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSubset } from "./subset.ts";

const container = (extra: object = {}) => ({ name: "main", image: "a", ...extra });

describe("isSubset holds although the API server", () => {
  test.each([
    ["adds defaulted fields", { spec: { a: 1 } }, { spec: { a: 1, terminationGracePeriodSeconds: 30 } }],
    ["spells a quantity otherwise", { resources: { limits: { cpu: "1000m" } } }, { resources: { limits: { cpu: "1" } } }],
    ["spells a number as quantity", { resources: { requests: { cpu: 1 } } }, { resources: { requests: { cpu: "1" } } }],
    ["drops an empty map", { spec: { a: 1, selector: {} } }, { spec: { a: 1 } }],
    ["drops an empty list", { spec: { a: 1, ingress: [] } }, { spec: { a: 1 } }],
    ["drops false", { spec: { hostNetwork: false } }, { spec: {} }],
    ["keeps nothing for undefined", { spec: { a: undefined } }, { spec: {} }],
    ["injects a volume", { volumes: [{ name: "a" }] }, { volumes: [{ name: "kube-api-access" }, { name: "a" }] }],
    [
      "defaults inside of a keyed item",
      { containers: [container()] },
      { containers: [container({ imagePullPolicy: "Always" })] },
    ],
    ["sorts a keyed list", { env: [{ name: "a", value: "1" }, { name: "b", value: "2" }] }, { env: [{ name: "b", value: "2" }, { name: "a", value: "1" }] }], // prettier-ignore
    ["defaults a port's protocol", { ports: [{ containerPort: 80 }] }, { ports: [{ containerPort: 80, protocol: "TCP" }] }],
    ["adds tolerations", { tolerations: [] }, { tolerations: [{ key: "node.kubernetes.io/not-ready" }] }],
    ["adds a finalizer", { metadata: { finalizers: ["a"] } }, { metadata: { finalizers: ["b", "a"] } }],
    ["defaults inside of an unkeyed list", { sources: [{ serviceAccountToken: { path: "t" } }] }, { sources: [{ serviceAccountToken: { path: "t", expirationSeconds: 3600 } }] }], // prettier-ignore
  ])("%s", (_, desired, live) => {
    expect(isSubset(desired, live)).toBe(true);
  });
});

describe("isSubset fails when", () => {
  test.each([
    ["a value differs", { data: { value: "a" } }, { data: { value: "b" } }],
    ["a member is missing", { data: { value: "a" } }, { data: {} }],
    ["an empty text of a text map is missing", { data: { value: "" } }, { data: {} }],
    ["a text that looks like a quantity differs outside of resources", { data: { value: "1000m" } }, { data: { value: "1" } }],
    ["a quantity differs", { resources: { limits: { cpu: "1100m" } } }, { resources: { limits: { cpu: "1" } } }],
    ["a keyed item is missing", { containers: [container()] }, { containers: [] }],
    ["a keyed item differs", { containers: [container({ image: "b" })] }, { containers: [container()] }],
    ["an unkeyed list is longer", { args: ["a"] }, { args: ["a", "b"] }],
    ["an unkeyed list has another order", { args: ["a", "b"] }, { args: ["b", "a"] }],
    ["a list became a map", { args: ["a"] }, { args: { 0: "a" } }],
    ["a map became a scalar", { spec: { a: { b: 1 } } }, { spec: { a: "x" } }],
    ["true became false", { spec: { on: true } }, { spec: { on: false } }],
    ["a number is missing", { spec: { replicas: 1 } }, { spec: {} }],
    ["a port's protocol differs", { ports: [{ port: 53, protocol: "UDP" }] }, { ports: [{ port: 53, protocol: "TCP" }] }],
    ["an owner is missing", { ownerReferences: [{ uid: "1" }] }, { ownerReferences: [{ uid: "2" }] }],
  ])("%s", (_, desired, live) => {
    expect(isSubset(desired, live)).toBe(false);
  });
});

test("a list may have the name of something that every object has", () => {
  expect(isSubset(JSON.parse('{"__proto__":[{}],"constructor":[{}]}'), JSON.parse('{"__proto__":[{}],"constructor":[{}]}'))).toBe(
    true,
  );
});

test("everything is a subset of itself, and of itself with more members", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      expect(isSubset(object, structuredClone(object))).toBe(true);
      expect(isSubset(object, { ...structuredClone(object), "more than any": 1 })).toBe(true);
    }),
  );
});
