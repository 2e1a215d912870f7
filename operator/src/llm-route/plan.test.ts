import { effectiveOllama } from "@bellwether/crds";
import type { KeeperStatus, RouteStatus } from "@bellwether/gateway/config";
import { describe, expect, test } from "vitest";
import type { ObservedPod } from "../observed-pod.ts";
import type { Word } from "../platform/status-link.ts";
import { testConfig, testRoute } from "../testing/objects.ts";
import type { ObservedModel } from "./conditions.ts";
import { type Observed, plan } from "./plan.ts";
import { statusOf, transitionEvents } from "./status.ts";

const key = { name: "openai", key: "api-key" };
const price = { inputPerMillionTokens: "1", outputPerMillionTokens: "2" };
const route = testRoute({
  models: [
    { name: "local", ollama: { model: "llama3.2:3b" } },
    { name: "hosted", tier: "Large", price, openai: { model: "gpt", apiKeySecretRef: key } },
  ],
  budget: { monthlyUsd: "5" },
});
const pod: ObservedPod = {
  name: "llmr-mixed-ollama-local-0",
  uid: "pod",
  isDeleting: false,
  phase: "Running",
  hash: undefined,
  node: "droplet",
  readySinceMs: 1,
  waiting: undefined,
  ended: undefined,
};
const keeper = (fields: Partial<KeeperStatus> = {}) =>
  ({
    heard: true,
    view: { phase: "Ready", message: "loaded", threads: 2, cpus: "2-3", tokensPerSecond: "9.6", ...fields },
  }) as const;
const model = (fields: Partial<ObservedModel> = {}, ollama: object = {}): ObservedModel => ({
  name: "local",
  ollama: effectiveOllama({ model: "llama3.2:3b", ...ollama }),
  admission: { granted: true },
  pod,
  keeper: keeper(),
  assignment: { known: true, policy: "static", cpus: "2-3" },
  file: undefined,
  ...fields,
});
type Said = RouteStatus["models"][number];
const budget = { periodStart: "2026-01-01T00:00:00.000Z", periodEnd: "2026-02-01T00:00:00.000Z", spentUsd: "1.25", tokens: 7 };
const gateway = (
  hosted: Partial<Said> = {},
  month: Partial<NonNullable<RouteStatus["budget"]>> = {},
  faults: RouteStatus["faults"] = [],
): Word<RouteStatus> => ({
  heard: true,
  view: {
    models: [
      { name: "local", local: true, breaker: "Closed" },
      { name: "hosted", local: false, breaker: "Closed", ...hosted },
    ],
    budget: { ...budget, ratio: "0.25", state: "Available", ...month },
    cache: { hitRatio: "0.5", savedTokens: 3 },
    faults,
  },
});
const observed = (fields: Partial<Observed> = {}): Observed => ({
  route,
  tokens: { issuer: "https://issuer", jwks: "{}" },
  models: [model()],
  callers: "[]\n",
  gatewayPods: [],
  gateway: gateway(),
  config: testConfig(),
  ...fields,
});
const away = { heard: false, message: "the gateway cannot be reached" } as const;
const refused = { granted: false, reason: "InsufficientExclusiveCpu", wantsCores: 2, freeCores: 0, totalCores: 1 } as const;
const said = (given: Observed, type: string): string => {
  const found = plan(given).conditions.find((condition) => condition.type === type);
  return found ? `${found.status} ${found.reason}` : "nothing";
};

const loadingMessage = (given: Observed): string | undefined =>
  plan(given).conditions.find(({ type }) => type === "ModelsLoaded")?.message;

describe("what should be true of an LlmRoute", () => {
  test.each<{ type: string; when: string; given: Partial<Observed>; then: string }>([
    { type: "Ready", when: "everything answers", given: {}, then: "True Ready" },
    { type: "Ready", when: "the gateway is silent", given: { gateway: away }, then: "False GatewayNotReady" },
    {
      type: "Ready",
      when: "the gateway's pod says why",
      given: { gateway: away, gatewayPods: [{ ...pod, waiting: { reason: "ImagePullFailed", message: "no" } }] },
      then: "False PodNotStarting",
    },
    {
      type: "Ready",
      when: "the local model loads and the hosted one is left alone",
      given: { models: [model({ keeper: keeper({ phase: "Loading" }) })], gateway: gateway({ breaker: "Open" }) },
      then: "False NoModelReady",
    },
    {
      type: "Admitted",
      when: "the ledger has no cores",
      given: { models: [model({ admission: refused })] },
      then: `False ${refused.reason}`,
    },
    { type: "Admitted", when: "no model is local", given: { models: [] }, then: "nothing" },
    { type: "ModelsLoaded", when: "all are loaded", given: {}, then: "True Loaded" },
    {
      type: "ModelsLoaded",
      when: "one waits for cores",
      given: { models: [model({ admission: refused, pod: undefined })] },
      then: "False Queued",
    },
    {
      type: "ModelsLoaded",
      when: "its file is not there",
      given: {
        models: [
          model(
            { file: { found: false, missing: "Key" }, pod: undefined },
            { source: { configMapRef: { name: "models", key: "tiny.gguf" } } },
          ),
        ],
      },
      then: "False ModelSourceMissing",
    },
    {
      type: "ModelsLoaded",
      when: "Ollama cannot have it",
      given: { models: [model({ keeper: keeper({ phase: "Failed" }) })] },
      then: "False ModelFailed",
    },
    { type: "Pinned", when: "cores, affinity and threads agree", given: {}, then: "True ExclusiveCores" },
    {
      type: "Pinned",
      when: "threads are not as many as cores",
      given: { models: [model({ keeper: keeper({ threads: 8 }) })] },
      then: "False ThreadsDiffer",
    },
    {
      type: "Pinned",
      when: "the kernel lets it run elsewhere",
      given: { models: [model({ keeper: keeper({ cpus: "0-3" }) })] },
      then: "False AffinityDiffers",
    },
    {
      type: "Pinned",
      when: "the kubelet gave other cores than asked for",
      given: { models: [model({ assignment: { known: true, policy: "static", cpus: "2" } })] },
      then: "False CoreCountDiffers",
    },
    { type: "Pinned", when: "it shares its cores", given: { models: [model({}, { pinning: "Shared" })] }, then: "nothing" },
    { type: "BudgetAvailable", when: "there is money", given: {}, then: "True BudgetAvailable" },
    {
      type: "BudgetAvailable",
      when: "the month is spent",
      given: { gateway: gateway({}, { state: "Exhausted" }) },
      then: "False BudgetExhausted",
    },
    {
      type: "BudgetAvailable",
      when: "Postgres is away",
      given: { gateway: gateway({}, { fault: "no journal" }) },
      then: "False BudgetUnavailable",
    },
    { type: "BudgetAvailable", when: "nobody says", given: { gateway: away }, then: "Unknown GatewayNotReady" },
    {
      type: "KeysAccepted",
      when: "a provider refuses the key",
      given: { gateway: gateway({ breaker: "Open", because: { code: "MODEL_KEY_REFUSED", message: "401" } }) },
      then: "False KeyRefused",
    },
    {
      type: "KeysAccepted",
      when: "the Secret is empty",
      given: { gateway: gateway({ breaker: "Open", because: { code: "MODEL_KEY_MISSING", message: "" } }) },
      then: "False KeyMissing",
    },
    { type: "KeysAccepted", when: "nobody complains", given: {}, then: "True NoneRefused" },
    { type: "ConfigAccepted", when: "the gateway uses all of it", given: {}, then: "True AllInUse" },
    {
      type: "ConfigAccepted",
      when: "a template is never used",
      given: { gateway: gateway({}, {}, [{ about: "template", message: "template greeting is never used: no RE2" }]) },
      then: "False TemplateNotUsed",
    },
    {
      type: "ConfigAccepted",
      when: "the list of callers cannot be read",
      given: { gateway: gateway({}, {}, [{ about: "callers", message: "it is not JSON" }]) },
      then: "False CallersNotRead",
    },
    { type: "ConfigAccepted", when: "nobody says", given: { gateway: away }, then: "Unknown GatewayNotReady" },
  ])("$type when $when: $then", ({ type, given, then }) => {
    expect(said(observed(given), type)).toBe(then);
  });

  test("a condition about a key names the Secret and what of it, and nothing of what the provider said", () => {
    const because = { code: "MODEL_KEY_REFUSED", message: "Incorrect API key provided: sk-canary" };
    const { conditions } = plan(observed({ gateway: gateway({ breaker: "Open", because }) }));
    expect(conditions.find(({ type }) => type === "KeysAccepted")?.message).toContain('Secret "openai", key "api-key"');
    expect(JSON.stringify(conditions)).not.toContain("sk-canary");
  });

  test("what the gateway cannot use is said in its own sentences, within what a condition holds", () => {
    const fault = (name: string) =>
      ({ about: "template", message: `template ${name} is never used: ${"x".repeat(600)}` }) as const;
    const { conditions } = plan(observed({ gateway: gateway({}, {}, [fault("a"), fault("b")]) }));
    const message = conditions.find(({ type }) => type === "ConfigAccepted")?.message ?? "";
    expect(message).toMatch(/^template a is never used: x+; template b is never used/);
    expect(message.length).toBeLessThanOrEqual(1_024);
  });

  test("progress of a download is told in steps: each of them is a write", () => {
    const loading = (progress: number) =>
      loadingMessage(observed({ models: [model({ keeper: keeper({ phase: "Loading", message: "downloading", progress }) })] }));
    expect(loading(0.41)).toBe("model local: downloading, 40 %");
    expect(loading(0.49)).toBe(loading(0.41));
  });
});

interface Child {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas?: number;
    readonly template: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      readonly spec: { readonly containers: readonly { readonly resources: unknown }[]; readonly volumes: readonly object[] };
    };
  };
}
function child(kind: string, name: string, given: Partial<Observed> = {}): Child {
  const found = plan(observed(given)).children?.find((each) => each.kind === kind && each.metadata.name === name);
  return found as unknown as Child;
}

describe("the children of an LlmRoute", () => {
  const set = (given: Partial<Observed> = {}): Child => child("StatefulSet", "llmr-mixed-ollama-local", given);

  test("an admitted local model is Guaranteed with whole cores; one without its place keeps its volume and has no pod", () => {
    const limits = { cpu: "2", memory: "8Gi" };
    expect(set().spec.replicas).toBe(1);
    expect(set().spec.template.spec.containers[0]?.resources).toEqual({ requests: limits, limits });
    expect(set({ models: [model({ admission: refused })] }).spec.replicas).toBe(0);
  });

  test("shared cores are requested little and limited; GPUs are asked for where the manifest does", () => {
    const shared = set({ models: [model({}, { pinning: "Shared", cpus: 1, memory: "1Gi", gpus: 1 })] });
    expect(shared.spec.template.spec.containers[0]?.resources).toEqual({
      requests: { cpu: "100m", memory: "256Mi", "nvidia.com/gpu": "1" },
      limits: { cpu: "1", memory: "1Gi", "nvidia.com/gpu": "1" },
    });
  });

  test("an edited file is another pod", () => {
    const source = { configMapRef: { name: "models", key: "m" } };
    const hash = (sha256: string) =>
      set({ models: [model({ file: { found: true, sha256 } }, { source })] }).spec.template.metadata.annotations;
    expect(hash("a")).not.toEqual(hash("b"));
  });

  test("the gateway mounts each key as a file of the Secret that is named, and starts without it", () => {
    const { volumes } = child("Deployment", "llmr-mixed-gateway").spec.template.spec;
    const secret = { secretName: "openai", items: [{ key: "api-key", path: "api-key" }], optional: true, defaultMode: 0o440 };
    expect(volumes).toContainEqual({ name: "key-hosted", secret });
  });

  test("threads are the cores, in the gateway's calls as in the keeper's", () => {
    const text = (name: string): Record<string, unknown> => {
      const map = plan(observed()).children?.find((each) => each.kind === "ConfigMap" && each.metadata.name === name);
      const { data } = map as unknown as { data: Record<string, string> };
      return JSON.parse(data["config.json"] ?? "") as Record<string, unknown>;
    };
    expect(text("llmr-mixed-gateway")).toMatchObject({
      models: [{ ollama: { threads: 2, baseUrl: "http://llmr-mixed-ollama-local.demo.svc:11434" } }, { name: "hosted" }],
    });
    expect(text("llmr-mixed-ollama-local")).toMatchObject({ threads: 2, source: { pull: { from: "llama3.2:3b" } } });
  });

  test("who may call stands beside the gateway's configuration, and a change of it makes no other pod", () => {
    const listed = '[{"subject":"s","tenant":"t"}]';
    const maps = plan(observed({ callers: listed })).children?.filter(({ kind }) => kind === "ConfigMap") ?? [];
    expect(maps[0]?.["data"]).toMatchObject({ "callers.json": listed });
    const template = (callers: string): object => child("Deployment", "llmr-mixed-gateway", { callers }).spec.template;
    expect(template(listed)).toEqual(template("[]"));
  });

  test("agents of the route reach its gateway, and only the gateway reaches Ollama", () => {
    const policies = plan(observed()).children?.filter(({ kind }) => kind === "NetworkPolicy") ?? [];
    expect(policies.map(({ metadata }) => metadata.name)).toEqual([
      "llmr-mixed-gateway",
      "llmr-mixed-agents",
      "llmr-mixed-ollama",
    ]);
    const ollama = JSON.stringify(policies[2]?.["spec"]);
    expect(ollama).toContain('"port":11434');
    expect(ollama).not.toContain('"agent"');
  });
});

describe("the status of an LlmRoute", () => {
  const status = (given: Partial<Observed> = {}, figuresDue = true, previous = {}) => {
    const seen = observed(given);
    return statusOf({ route: { ...route, status: previous }, plan: plan(seen), gateway: seen.gateway, figuresDue, nowMs: 0 });
  };

  test("shows models with their cores, money and hits, ready to print", () => {
    expect(status()).toMatchObject({
      ready: "2/2",
      modelNames: "local,hosted",
      cpus: "2-3",
      endpoint: "http://llmr-mixed-gateway.demo.svc:8080/v1",
      models: [
        { name: "local", ready: true, breaker: "Closed", cpus: "2-3", threads: 2, tokensPerSecond: "9.6" },
        { name: "hosted", ready: true, breaker: "Closed" },
      ],
      budget: { spentUsd: "1.25", state: "Available" },
      cacheHitPercent: "50.00",
    });
  });

  test("money waits until it is due, but for the first of a month and what the budget comes to", () => {
    const before = status({ gateway: gateway({}, { spentUsd: "1" }) });
    expect(status({}, false, before).budget?.spentUsd).toBe("1");
    expect(status({ gateway: gateway({}, { state: "Soft" }) }, false, before).budget?.spentUsd).toBe("1.25");
    const first = status({ gateway: gateway({}, { spentUsd: "0" }) });
    expect(status({}, false, first).budget?.spentUsd).toBe("1.25");
  });

  test("a gateway that is away takes no figure back", () => {
    expect(status({ gateway: away }, true, status()).budget?.spentUsd).toBe("1.25");
  });

  test("events tell what has changed, and not what nobody knows yet", () => {
    expect(transitionEvents({}, status()).map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(["Ready", "Loaded", "ExclusiveCores"]),
    );
    expect(transitionEvents(status(), status())).toEqual([]);
  });
});
