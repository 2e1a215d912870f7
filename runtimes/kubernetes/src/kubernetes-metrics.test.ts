import { Metrics } from "@bellwether/service-kit/metrics";
import { expect, test } from "vitest";
import { Controller, done } from "./controller.ts";
import { Informer } from "./informer.ts";
import { KubernetesMetrics } from "./kubernetes-metrics.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";
import { settle, surroundings, widget, widgets } from "./testing/fixtures.ts";

test("a controller's metrics carry the standard names and what happened", async () => {
  const around = surroundings();
  const registry = new Metrics();
  const metrics = new KubernetesMetrics(registry);
  const cluster = new FakeCluster(() => around.clock.nowMs());
  cluster.put(widgets, widget("a"));
  const informer = new Informer({ client: cluster, resource: widgets, ...around, metrics });
  let failures = 1;
  const reconcile = async () => {
    if (failures-- > 0) throw new Error("once");
    return done;
  };
  const controller = new Controller({ kind: "Widget", reconcile, ...around, metrics }).watch(informer);
  const stop = new AbortController();
  const ends = [informer.run(stop.signal), controller.run(stop.signal)];
  await settle(around.clock);
  await around.clock.advance(1000);
  cluster.cutWatches();
  await settle(around.clock);
  const text = await registry.registry.metrics();
  stop.abort(new Error("end of test"));
  await Promise.all(ends);

  expect(text).toContain('bellwether_reconcile_total{kind="Widget",result="error"} 1');
  expect(text).toContain('bellwether_reconcile_total{kind="Widget",result="done"} 1');
  expect(text).toContain('bellwether_reconcile_seconds_count{kind="Widget"} 2');
  expect(text).toContain('bellwether_watch_blind_seconds{kind="Widget"} 0');
  expect(text).toContain('bellwether_watch_restarts_total{kind="Widget",reason="broken"} 1');
  expect(text).toContain('workqueue_adds_total{name="Widget"} 2');
  expect(text).toContain('workqueue_retries_total{name="Widget"} 1');
  expect(text).toContain('workqueue_depth{name="Widget"} 0');
  expect(text).toContain('workqueue_work_duration_seconds_count{name="Widget"} 2');
  expect(text).toContain('workqueue_unfinished_work_seconds{name="Widget"} 0');
});

test("blindness is counted from when the watch was lost until it stands again", async () => {
  const around = surroundings();
  const registry = new Metrics();
  const metrics = new KubernetesMetrics(registry);
  const cluster = new FakeCluster(() => around.clock.nowMs());
  const informer = new Informer({ client: cluster, resource: widgets, ...around, metrics });
  const blindSeconds = async (): Promise<string | undefined> =>
    /bellwether_watch_blind_seconds\{kind="Widget"\} (\S+)/.exec(await registry.registry.metrics())?.[1];
  await around.clock.advance(3000);
  expect(await blindSeconds()).toBe("3");
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  await settle(around.clock);
  expect(await blindSeconds()).toBe("0");
  stop.abort(new Error("end of test"));
  await running;
});
