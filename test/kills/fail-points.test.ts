import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "@bellwether/service-kit";
import { failPointNames as brokerPoints } from "../../runtimes/broker/src/fail-points.ts";
import { failPointNames as riskPoints } from "../../runtimes/risk/src/fail-points.ts";
import { violations } from "../cluster/invariants.ts";
import { type KubeObject, apply, kubectl, list, waitFor } from "../cluster/kubectl.ts";
import { skipReason } from "../cluster/prerequisites.ts";
import { recovered } from "../cluster/recovery.ts";
import { strategy as manifestOf, programConfigMap } from "../e2e/manifests.ts";

/*
 * The pods of risk and broker die at named points of the order path: their StatefulSet gets the point as an environment variable, the new pod ends
 * itself with SIGKILL there, the kubelet starts its container again. The operator leaves the variable alone: server-side apply owns only what it names.
 */

const policy = "points";
const strategy = "eager";
const sets = { risk: "rpol-points-risk", broker: "rpol-points-broker-paper" } as const;
/** Trades on every bar, two bars a second, for nothing: whatever dies, an order is under way. Faster ones would be decided too late on a busy machine. */
const eager = `import { defineStrategy } from "@bellwether/agent";
export default defineStrategy({
  onBar(context) {
    if (context.orders().length > 0) return;
    if (context.position.quantity === "0") context.buy({ notional: "50" });
    else context.sell({ all: true });
  },
});
`;
const costless = `
apiVersion: bellwether.dev/v1alpha1
kind: RiskPolicy
metadata: {name: ${policy}}
spec:
  baseCurrency: USDT
  accounts:
    - name: paper
      paper:
        balances: [{asset: USDT, amount: "10000"}]
        feeBps: "0"
        slippageBps: "0"
        market: {replay: {dataset: {synthetic: {seed: 11}, symbol: BTC/USDT}, speed: 120}}
  limits: {maxOrdersPerMinute: 6000}
  circuitBreakers: []
`;
type Service = keyof typeof sets;

interface Kill {
  readonly service: Service;
  readonly point: string;
  /** Where risk dies at the same time, so that the broker comes to its point. */
  readonly riskPoint?: string;
}

/** Points that only a void passes: an approval that never arrived leads there. */
const tombstones: ReadonlySet<string> = new Set(["before-tombstone", "after-tombstone"]);
/** Points of a wallet's way: no paper account passes them. test/integration/broker kills there. */
const walletOnly: ReadonlySet<string> = new Set(["after-signed-stored"]);
const paperPoints = brokerPoints.filter((point) => !walletOnly.has(point));
const all: readonly Kill[] = [
  ...riskPoints.map((point): Kill => ({ service: "risk", point })),
  ...paperPoints.map((point): Kill => ({
    service: "broker",
    point,
    ...(tombstones.has(point) && { riskPoint: "before-send" }),
  })),
];
/** `npm test` dies at a few of them, drawn by the seed, `npm run test:kills` at all. */
const wanted = Number(process.env["BELLWETHER_KILL_POINTS"] ?? "2");
const seed = Number(process.env["BELLWETHER_KILLS_SEED"] ?? "1");

function chosen(): readonly Kill[] {
  const random = seededRandom(seed);
  const order = all.map((kill) => ({ kill, at: random.next() })).sort((a, b) => a.at - b.at);
  const drawn = new Set(order.slice(0, wanted).map(({ kill }) => kill));
  return all.filter((kill) => drawn.has(kill));
}

/** @param what names the kill: a point fires once in the life of a pod, so that the same point for another kill needs another pod. */
async function arm(service: Service, point: string | undefined, what = "none"): Promise<void> {
  const variable = point === undefined ? "BELLWETHER_FAIL_POINT-" : `BELLWETHER_FAIL_POINT=${point}`;
  await kubectl(["set", "env", `statefulset/${sets[service]}`, variable, `BELLWETHER_KILL=${what}`]);
}

interface Container {
  readonly restartCount: number;
  readonly ready: boolean;
  readonly lastState?: { readonly terminated?: { readonly exitCode: number } };
}

async function podOf(service: Service): Promise<KubeObject | undefined> {
  const pods = await list("pods", ["-l", `app.kubernetes.io/instance=${policy},app.kubernetes.io/component=${service}`]);
  return pods.find(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** The pod that was told of the point has killed itself, and its container is up again. */
async function hasDied(service: Service, point: string): Promise<boolean> {
  const pod = await podOf(service);
  const env = (pod?.spec?.containers[0].env ?? []) as { name: string; value?: string }[];
  if (!env.some(({ name, value }) => name === "BELLWETHER_FAIL_POINT" && value === point)) return false;
  const container = pod?.status?.containerStatuses?.[0] as Container | undefined;
  return container?.lastState?.terminated?.exitCode === 137 && container.ready;
}

describe.skipIf(skipReason)(`a pod that dies at a named point${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  beforeAll(async () => {
    await apply(costless);
    await apply(programConfigMap(strategy, eager));
    const program = `{source: {configMapRef: {name: ${strategy}, key: program.ts}}}`;
    await apply(manifestOf({ name: strategy, policy, program, extra: '  capital: {shareRatio: "0.5"}' }));
  });
  afterAll(async () => {
    await kubectl(["delete", "strategy", strategy, "--ignore-not-found"], { timeoutMs: 90_000 });
    await kubectl(["delete", "riskpolicy", policy, "--ignore-not-found"], { timeoutMs: 90_000 });
    await kubectl(["delete", "configmap", strategy, "--ignore-not-found"]);
    console.log(`replay: BELLWETHER_KILL_POINTS=${wanted} BELLWETHER_KILLS_SEED=${seed} npm run test:kills`);
  });

  test.each(chosen())("of $service at $point comes back and trades on", async ({ service, point, riskPoint }) => {
    // Orders flow, or nothing would come to the point.
    await recovered(strategy, "what was before");
    await arm(service, point, point);
    if (riskPoint !== undefined) await arm("risk", riskPoint, point);
    else if (service === "broker") await arm("risk", undefined);
    await waitFor(() => hasDied(service, point), { timeoutMs: 240_000, what: `${service} dead at ${point} and up again` });
    await recovered(strategy, `${service} died at ${point}`);
  });

  test("leaves one order per intent, no bar decided twice, and journal and venue agreed", async () => {
    await waitFor(async () => Object.values(await violations(policy)).every((rows) => rows.length === 0), {
      timeoutMs: 60_000,
      what: "no violation",
    });
    for (const [what, rows] of Object.entries(await violations(policy))) expect(rows, what).toEqual([]);
  });
});
