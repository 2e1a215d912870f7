import { type WebhookMessage, silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { type AlertBook, type BreakerView, clearForMs, parseDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { AlertWatch, type Sight } from "./alert-watch.ts";

const policy = { namespace: "demo", name: "p" };
const tripped: BreakerView = { type: "Drawdown", scope: {}, state: "Tripped", action: "Halt", value: "0.21", threshold: "0.20" };
const armed: BreakerView = { ...tripped, state: "Armed" };
const rule = { name: "loss", metric: "drawdownRatio", threshold: "0.05" } as const;

function sight(change: Partial<Sight> & { equity?: string } = {}): Sight {
  const { equity, ...rest } = change;
  const strategy = {
    uid: "u",
    namespace: "demo",
    name: "trend",
    alerts: [rule],
    startingCapital: parseDecimal("100"),
    decisionLatencyMs: undefined,
    barAgeMs: undefined,
  };
  const strategies = [{ ...strategy, equity: equity === undefined ? undefined : parseDecimal(equity) }];
  return { strategies, breakers: [], controlEvents: [], ...rest };
}

/** A journal that outlives the watches on it, and what they post. */
function world(withWebhook = true) {
  const clock = new ManualClock();
  const posts: WebhookMessage[] = [];
  const told: string[] = [];
  const journal = { book: undefined as AlertBook | undefined, saves: 0, down: false };
  const store = {
    load: async () => (journal.book === undefined ? undefined : (JSON.parse(JSON.stringify(journal.book)) as AlertBook)),
    save: async (book: AlertBook) => {
      if (journal.down) throw new Error("no journal");
      journal.saves += 1;
      journal.book = book;
    },
  };
  const start = (): AlertWatch =>
    new AlertWatch({
      policy,
      store,
      ...(withWebhook && { post: (message: WebhookMessage) => void posts.push(message) }),
      metrics: { told: ({ severity, state }) => void told.push(`${severity} ${state}`), firing: () => undefined },
      clock,
      log: silentLogger,
    });
  return { clock, posts, told, journal, start };
}

/** What a sender that knows ids would have sent. */
const ids = (posts: readonly WebhookMessage[]): string[] => [...new Set(posts.map(({ id }) => id))];

describe("the alert watch", () => {
  test("tells of a breaker's trip and of its end, once each", async () => {
    const { clock, posts, told, start } = world();
    const watch = start();
    for (const breakers of [[armed], [tripped], [tripped], [armed], [armed]]) {
      await watch.look(sight({ breakers }));
      await clock.advance(clearForMs);
    }
    expect(told).toEqual(["critical firing", "critical resolved"]);
    expect(watch.recent.map(({ state }) => state)).toEqual(["firing", "resolved"]);
    expect(ids(posts)).toEqual(watch.recent.map(({ id }) => id));
  });

  test("counts a strategy's drawdown from its highest equity, over a restart", async () => {
    const { journal, start } = world();
    await start().look(sight({ equity: "200" }));
    const watch = start();
    await watch.look(sight({ equity: "189" }));
    expect(watch.recent.map(({ summary }) => summary)).toEqual([
      "strategy trend, alert loss: drawdownRatio is 0.055, above 0.05",
    ]);
    expect(journal.book?.peaks).toEqual({ u: "200" });
  });

  test("knows a strategy's alerts after a restart, before anybody registers it anew", async () => {
    const { start } = world();
    await start().look(sight({ equity: "200" }));
    const unregistered = sight({ equity: "189" });
    const watch = start();
    await watch.look({
      ...unregistered,
      strategies: unregistered.strategies.map((strategy) => ({ ...strategy, alerts: undefined })),
    });
    expect(watch.recent.map(({ name, state }) => `${name} ${state}`)).toEqual(["loss firing"]);
    await watch.look({ ...unregistered, strategies: unregistered.strategies.map((strategy) => ({ ...strategy, alerts: [] })) });
    expect(watch.recent.map(({ name, state }) => `${name} ${state}`)).toEqual(["loss firing", "loss resolved"]);
  });

  test("a restart tells nothing twice, and posts what was not posted", async () => {
    const { posts, told, start } = world();
    const first = start();
    await first.look(sight({ breakers: [tripped] }));
    const [id] = ids(posts);
    posts.length = 0;
    const second = start();
    await second.look(sight({ breakers: [tripped] }));
    expect(told).toEqual(["critical firing"]);
    expect(ids(posts)).toEqual([id]);
    second.posted(id ?? "");
    await second.look(sight({ breakers: [tripped] }));
    posts.length = 0;
    await start().look(sight({ breakers: [tripped] }));
    expect(posts).toEqual([]);
  });

  test("writes nothing while nothing changes", async () => {
    const { journal, clock, start } = world();
    const watch = start();
    await watch.look(sight({ equity: "100", breakers: [tripped] }));
    watch.posted(watch.recent[0]?.id ?? "");
    await watch.look(sight({ equity: "100", breakers: [tripped] }));
    const { saves } = journal;
    for (let second = 0; second < 100; second += 1) {
      await clock.advance(1_000);
      await watch.look(sight({ equity: "100", breakers: [tripped] }));
    }
    expect(journal.saves).toBe(saves);
  });

  test("writes a peak that moves with every look at most every ten seconds", async () => {
    const { journal, clock, start } = world();
    const watch = start();
    for (let second = 0; second < 100; second += 1) {
      await watch.look(sight({ equity: String(100 + second) }));
      await clock.advance(1_000);
    }
    expect(journal.saves).toBeLessThanOrEqual(11);
    expect(journal.saves).toBeGreaterThan(1);
  });

  test("posts nothing that is not in the journal, and makes up for it when that answers", async () => {
    const { posts, told, journal, start } = world();
    const watch = start();
    journal.down = true;
    await expect(watch.look(sight({ breakers: [tripped] }))).rejects.toThrow("no journal");
    expect(posts).toEqual([]);
    journal.down = false;
    await watch.look(sight({ breakers: [tripped] }));
    expect(ids(posts)).toHaveLength(1);
    expect(told).toEqual(["critical firing"]);
  });

  test("without a webhook keeps nothing to be posted", async () => {
    const { journal, start } = world(false);
    await start().look(sight({ breakers: [tripped] }));
    expect(journal.book?.unposted).toEqual([]);
    expect(journal.book?.recent).toHaveLength(1);
  });

  test("tells what people do from the first watch on, and not what they did before", async () => {
    const { told, start } = world();
    const event = (id: string) => ({ id, time: 1, what: "Halt", who: "ada", why: "drill", detail: "" }) as const;
    const watch = start();
    await watch.look(sight({ controlEvents: [event("1")] }));
    expect(told).toEqual([]);
    await watch.look(sight({ controlEvents: [event("1"), event("2")] }));
    await start().look(sight({ controlEvents: [event("1"), event("2")] }));
    expect(told).toEqual(["critical firing"]);
  });
});
