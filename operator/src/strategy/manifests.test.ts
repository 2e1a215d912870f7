import { describe, expect, test } from "vitest";
import { agentConfig } from "@bellwether/agent/config";
import { type StrategySpec, effectiveStrategySpec } from "@bellwether/crds";
import { podCpus } from "../ledger/pod-cpus.ts";
import { testConfig, testPolicy, testStrategy } from "../testing/objects.ts";
import { renderAgentConfig } from "./agent-config.ts";
import { agentChildren, agentPod } from "./manifests.ts";

/** What the tests look at. */
interface MadePod {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly automountServiceAccountToken: boolean;
    readonly containers: readonly {
      readonly resources: object;
      readonly securityContext: object;
      readonly livenessProbe?: object;
      readonly volumeMounts: readonly object[];
    }[];
    readonly volumes: readonly { readonly projected?: { readonly sources: readonly object[] } }[];
  };
}

function made(spec: Partial<StrategySpec> = {}, config: object = {}) {
  const strategy = testStrategy("btc", spec);
  const effective = effectiveStrategySpec(strategy.spec);
  const identity = { uid: "uid-btc", name: "btc", namespace: "demo" };
  const rendered = renderAgentConfig({
    strategy: identity,
    spec: effective,
    policy: testPolicy(),
    riskUrl: "http://rpol-main-risk.demo.svc:8080",
  });
  if (!rendered.ok) throw new Error(rendered.message);
  const fields = { strategy, spec: effective, config: testConfig(config), specHash: "h", configText: rendered.text };
  return { text: rendered.text, children: agentChildren(fields), pod: agentPod(fields) as unknown as MadePod };
}
const past = {
  mode: "Backtest",
  backtest: { dataset: { configMapRef: { name: "bars", key: "btc.csv.gz" } }, from: "2022-01-01", seed: 4 },
} as const;

describe("the agent's pod", () => {
  test("is Guaranteed with whole cores, so that the kubelet pins it", () => {
    const { pod } = made({ resources: { cpus: 2 } });
    expect(podCpus({ ...pod, spec: { ...pod.spec, nodeName: "n" } })).toEqual({
      node: "n",
      requestMilli: 2000,
      exclusiveCores: 2,
    });
  });

  test("asks for little and may use its cores when they are shared", () => {
    const { pod } = made({ resources: { pinning: "Shared", cpus: 2 } });
    expect(pod.spec.containers[0]!.resources).toEqual({
      requests: { cpu: "50m", memory: "96Mi" },
      limits: { cpu: "2", memory: "256Mi" },
    });
  });

  test("is locked down: no root, no writes, no capabilities, no way to the API server", () => {
    const { spec } = made().pod;
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      restartPolicy: "Never",
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    });
    expect(spec.containers[0]!.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  });

  test.each([
    { when: "it names no route", spec: {}, audiences: ["risk.bellwether.dev"] },
    {
      when: "it names one",
      spec: { llmRouteRef: { name: "models" } },
      audiences: ["risk.bellwether.dev", "gateway.bellwether.dev"],
    },
  ])("holds tokens for $audiences and for nobody else when $when", ({ spec, audiences }) => {
    const projected = made(spec).pod.spec.volumes.flatMap((volume) => volume.projected?.sources ?? []);
    expect(projected).toEqual(
      audiences.map((audience) => ({ serviceAccountToken: { audience, expirationSeconds: 3600, path: "token" } })),
    );
  });

  test("of a backtest holds no token, answers no probe and mounts its bars", () => {
    const { pod } = made(past);
    expect(pod.spec.volumes.some(({ projected }) => projected)).toBe(false);
    expect(pod.spec.containers[0]!.livenessProbe).toBeUndefined();
    expect(pod.spec.volumes).toContainEqual({
      name: "dataset",
      configMap: { name: "bars", items: [{ key: "btc.csv.gz", path: "btc.csv.gz" }] },
    });
  });

  test("of a backtest that asks models has a token for its gateway, and a volume for what they answer that outlives it", () => {
    const { pod, children } = made({ ...past, llmRouteRef: { name: "models" } });
    const projected = pod.spec.volumes.flatMap((volume) => volume.projected?.sources ?? []);
    const audience = "gateway.bellwether.dev";
    expect(projected).toEqual([{ serviceAccountToken: { audience, expirationSeconds: 3600, path: "token" } }]);
    expect(children.map(({ kind, metadata }) => [kind, metadata.name])).toContainEqual([
      "PersistentVolumeClaim",
      "strat-btc-answers",
    ]);
    expect(pod.spec.volumes).toContainEqual({ name: "answers", persistentVolumeClaim: { claimName: "strat-btc-answers" } });
    expect(made(past).children.map(({ kind }) => kind)).not.toContain("PersistentVolumeClaim");
  });

  test("carries a digest that changes with what it is made from", () => {
    const hash = (spec: Partial<StrategySpec>, config = {}): string =>
      made(spec, config).pod.metadata.annotations["bellwether.dev/config-hash"]!;
    expect(hash({})).toBe(hash({}));
    expect(hash({ resources: { memory: "512Mi" } })).not.toBe(hash({}));
    expect(hash({}, { images: { agent: "agent:2", risk: "r", broker: "b", gateway: "g", ollama: "o" } })).not.toBe(hash({}));
    expect(hash({ priority: 7 })).toBe(hash({}));
  });
});

describe("the agent's configuration", () => {
  test("is what the agent parses", () => {
    expect(agentConfig.parse(JSON.parse(made().text))).toMatchObject({
      mode: "Paper",
      strategy: { uid: "uid-btc", name: "btc", namespace: "demo" },
      warmupBars: 200,
      program: { builtin: "momentum", parameters: { fast: 5 } },
      risk: { url: "http://rpol-main-risk.demo.svc:8080" },
    });
  });

  test("of a backtest takes balances, fees and limits from the policy", () => {
    expect(agentConfig.parse(JSON.parse(made(past).text))).toMatchObject({
      mode: "Backtest",
      warmupBars: 0,
      backtest: {
        dataset: { file: "/etc/bellwether-dataset/btc.csv.gz" },
        fromMs: Date.UTC(2022, 0, 1),
        seed: 4,
        startingBalances: [{ asset: "USDT", amount: "10000" }],
        feeBps: "10",
        slippageBps: "5",
        limits: { maxPositionRatio: "0.20" },
      },
    });
  });

  test("names a source program and where it is mounted", () => {
    const { text, pod } = made({
      program: { source: { configMapRef: { name: "code", key: "own.ts" }, parameters: { fast: 3 } } },
    });
    expect(agentConfig.parse(JSON.parse(text)).program).toEqual({
      source: { file: "/etc/bellwether-program/own.ts", name: "code/own.ts" },
      parameters: { fast: 3 },
    });
    expect(pod.spec.containers[0]!.volumeMounts).toContainEqual({
      name: "program",
      mountPath: "/etc/bellwether-program",
      readOnly: true,
    });
  });
});
