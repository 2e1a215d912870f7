import { WatchLiveness } from "@bellwether/kubernetes";
import { expect, onTestFinished, test } from "vitest";
import { type ControlPlane, describeWithControlPlane } from "../control-plane.ts";
import { around, configMap, configMaps, connected, watched } from "./fixtures.ts";
import { type TcpProxy, startTcpProxy } from "./tcp-proxy.ts";

/** Faster than the default, so that the test is; the default's figures are measured by `npm run bench`. */
const heartbeat = { intervalMs: 500, timeoutMs: 1000 };

async function behindProxy(
  plane: ControlPlane,
): Promise<{ proxy: TcpProxy; client: Awaited<ReturnType<typeof connected>>["client"] }> {
  const proxy = await startTcpProxy(new URL(plane.url));
  onTestFinished(() => proxy.close());
  const { client } = await connected(plane.kubeconfig, { server: new URL(`https://127.0.0.1:${proxy.port}`), heartbeat });
  return { proxy, client };
}

await describeWithControlPlane("the Kubernetes core over connections that break", { crds: false }, (plane) => {
  test("a watch goes on after every cut and misses nothing", async () => {
    const { proxy, client } = await behindProxy(plane());
    const direct = await connected(plane().kubeconfig);
    const labels = { test: "cut" };
    const informer = await watched(client, configMaps, { labels });
    for (let round = 0; round < 10; round++) {
      expect(proxy.cut()).toBe(1);
      await direct.client.create(configMaps, configMap(`cut-${round}`, {}, { labels }));
      await expect.poll(() => informer.cache.size, { timeout: 15_000 }).toBe(round + 1);
    }
  });

  test("a frozen connection is found out: the watch goes on, and so do requests that were under way", async () => {
    const { proxy, client } = await behindProxy(plane());
    const direct = await connected(plane().kubeconfig);
    const labels = { test: "freeze" };
    const informer = await watched(client, configMaps, { labels });
    expect(proxy.freeze()).toBe(1);
    await direct.client.create(configMaps, configMap("freeze-watch", {}, { labels }));
    const applied = client.apply(configMaps, configMap("freeze-request", {}, { labels }));
    await expect.poll(() => informer.cache.get("default/freeze-watch"), { timeout: 15_000 }).toBeDefined();
    expect((await applied).metadata.name).toBe("freeze-request");
    expect(proxy.dials()).toBe(2);
  });

  test("an API server that stops answering makes the watch blind, but fails no liveness; it heals when the server goes on", async () => {
    const { client } = await connected(plane().kubeconfig, { heartbeat });
    const probe = await connected(plane().kubeconfig, { heartbeat });
    const informer = await watched(client, configMaps);
    const liveness = new WatchLiveness({
      informers: [informer],
      probe: probe.client,
      ...around,
      blindLimitMs: 1500,
      intervalMs: 300,
    });
    const stop = new AbortController();
    const running = liveness.run(stop.signal);
    onTestFinished(async () => {
      stop.abort(new Error("end of test"));
      await running;
    });
    process.kill(plane().apiServerPid, "SIGSTOP");
    try {
      await expect.poll(() => liveness.check().message, { timeout: 30_000 }).toContain("the API server is away");
      expect(liveness.check().ok).toBe(true);
    } finally {
      process.kill(plane().apiServerPid, "SIGCONT");
    }
    await expect.poll(() => informer.blindMs(), { timeout: 30_000 }).toBe(0);
    await client.create(configMaps, configMap("after-stop"));
    await expect.poll(() => informer.cache.get("default/after-stop"), { timeout: 15_000 }).toBeDefined();
    await expect.poll(() => liveness.check().message).toBe("every watch stands");
  });

  test("a watch that is blind although the API server answers fails liveness", async () => {
    const { proxy, client } = await behindProxy(plane());
    const probe = await connected(plane().kubeconfig);
    const informer = await watched(client, configMaps);
    const liveness = new WatchLiveness({
      informers: [informer],
      probe: probe.client,
      ...around,
      blindLimitMs: 500,
      intervalMs: 100,
    });
    const stop = new AbortController();
    const running = liveness.run(stop.signal);
    onTestFinished(async () => {
      stop.abort(new Error("end of test"));
      await running;
    });
    proxy.close(); // the way of the watches is gone, the probe's is not
    await expect.poll(() => liveness.check().ok, { timeout: 30_000 }).toBe(false);
  });
});
