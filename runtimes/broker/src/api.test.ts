import { type AddressInfo, connect } from "node:net";
import { CodedError, type TokenVerifier, silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { afterEach, describe, expect, test } from "vitest";
import { type BrokerService, createBrokerApi } from "./api.ts";
import type { BrokerErrorCode } from "./errors.ts";
import { StreamHub } from "./stream-hub.ts";

const risk = "system:serviceaccount:bellwether:rpol-p-risk";
/** A token is its own subject. */
const verifier = { verify: async (token: string) => ({ subject: token }) } as unknown as TokenVerifier;

describe("the broker's API", () => {
  const clock = new ManualClock();
  const hub = new StreamHub();
  const watched: string[] = [];
  const heard: boolean[] = [];
  const message = "ExchangeNotVerified: nobody has proven it";
  const refuse = async (): Promise<never> => {
    throw new CodedError<BrokerErrorCode>("EXCHANGE_NOT_VERIFIED", message);
  };
  const service: BrokerService = {
    submit: refuse,
    find: refuse,
    void: refuse,
    cancel: refuse,
    bars: refuse,
    adopt: refuse,
    heard: (readsAccount) => void heard.push(readsAccount),
    account: async () => ({
      account: "live",
      kind: "ccxt",
      epoch: 1,
      marketTime: clock.nowMs(),
      feed: { state: "failed", message },
      balances: [],
      markets: [],
    }),
    watch: (market, timeframe) => void watched.push(`${market} ${timeframe}`),
  };
  const api = createBrokerApi({ service, hub, verifier, riskSubject: risk, clock, log: silentLogger });
  const bearer = (subject: string) => ({ authorization: `Bearer ${subject}` });

  afterEach(() => hub.close());

  test.each(["/v1/account", "/v1/stream", "/v1/bars?market=BTC/USDT&timeframe=1m", "/v1/orders/x"])(
    "%s is for the policy's risk only",
    async (url) => {
      const agent = await api.inject({ url, headers: bearer("system:serviceaccount:bellwether:strat-s-agent") });
      expect([agent.statusCode, agent.json<{ code: string }>().code]).toEqual([403, "FORBIDDEN"]);
      expect((await api.inject({ url })).statusCode).toBe(401);
    },
  );

  test("offers orders, the account and its market, and no way to move money out of it", () => {
    // Paths below another one are printed without it.
    const writing = [...api.printRoutes({ commonPrefix: false }).matchAll(/([\w/:-]+) \(([A-Z, ]+)\)/g)].filter(
      ([, , methods]) => methods !== "GET, HEAD" && methods !== "HEAD, GET",
    );
    expect(new Set(writing.map(([, path]) => path))).toEqual(new Set(["/v1/orders", "/void", "/cancel", "/v1/adopt"]));
  });

  test("an account that cannot trade says so, and refuses orders with a code", async () => {
    const account = await api.inject({ url: "/v1/account", headers: bearer(risk) });
    expect(account.json()).toMatchObject({
      kind: "ccxt",
      feed: { state: "failed", message: expect.stringContaining("ExchangeNotVerified") },
    });
    const approval = { order: "o", keyId: "k", epoch: 1, nonce: "n", expiresAt: 1, signature: "s" };
    const refused = await api.inject({ method: "POST", url: "/v1/orders", headers: bearer(risk), payload: approval });
    expect([refused.statusCode, refused.json<{ code: string }>().code]).toEqual([422, "EXCHANGE_NOT_VERIFIED"]);
  });

  test("a malformed request is told every fault", async () => {
    const reply = await api.inject({ url: "/v1/bars?timeframe=soon&limit=0", headers: bearer(risk) });
    expect(reply.json()).toMatchObject({
      code: "INVALID_BODY",
      details: {
        faults: [expect.stringContaining("market"), expect.stringContaining("timeframe"), expect.stringContaining("limit")],
      },
    });
  });

  test("a reader of the stream names the bars it wants, and hears what happens", async () => {
    await api.listen({ port: 0, host: "127.0.0.1" });
    try {
      const socket = connect((api.server.address() as AddressInfo).port, "127.0.0.1");
      let received = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => (received += chunk));
      socket.write(
        `GET /v1/stream?bars=BTC/USDT|1m,ETH/USDT|5m,nonsense HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${risk}\r\n\r\n`,
      );
      await expect.poll(() => hub.listeners).toBe(1);
      expect(watched).toEqual(["BTC/USDT 1m", "ETH/USDT 5m"]);
      hub.bar({
        market: "BTC/USDT",
        timeframe: "1m",
        revision: false,
        bar: { time: 60_000, open: 1, high: 1, low: 1, close: 1, volume: 0 },
      });
      await expect.poll(() => received).toContain("id: BTC/USDT|1m|60000\nevent: bar\n");
      hub.end("over");
      await expect.poll(() => received).toContain("event: end");
      socket.destroy();
      await expect.poll(() => hub.listeners).toBe(0);
    } finally {
      await api.close();
    }
  });
});
