import type { FastifyInstance } from "fastify";
import { createApiServer, silentLogger } from "@bellwether/service-kit";
import { type PortfolioView, type StrategyRegistration, type StrategyView, strategyRegistration } from "@bellwether/trading/wire";

/** Risk as the operator sees it: a real server on loopback that keeps registrations, orders and trading states. */
export class FakeRisk {
  readonly registrations = new Map<string, StrategyRegistration>();
  /** Working orders by strategy uid; a DELETE cancels one at a time. */
  readonly workingOrders = new Map<string, number>();
  readonly deleted: { uid: string; onDelete: string }[] = [];
  policyUid = "";
  state: PortfolioView["state"] = "Active";
  equity = "10000";
  trading: StrategyView["trading"] = { allowed: true, reason: "Active", message: "trading" };
  refusal: string | undefined;
  isDown = false;
  portfolioReads = 0;
  #server: FastifyInstance | undefined;

  async start(): Promise<string> {
    const server = createApiServer({ log: silentLogger });
    this.#server = server;
    server.addHook("onRequest", async (_request, reply) => {
      if (this.isDown) await reply.status(503).send({ code: "JOURNAL_UNAVAILABLE", message: "the journal cannot be reached" });
    });
    server.put<{ Params: { uid: string } }>("/v1/strategies/:uid", async (request) => {
      const body = strategyRegistration.parse(request.body);
      if (this.refusal !== undefined)
        return { uid: body.uid, run: 1, admitted: false, message: this.refusal, workingOrders: 0, settled: true };
      this.registrations.set(body.uid, body);
      return this.#reply(body.uid);
    });
    server.delete<{ Params: { uid: string }; Querystring: { onDelete: string } }>("/v1/strategies/:uid", async (request) => {
      const { uid } = request.params;
      this.deleted.push({ uid, onDelete: request.query.onDelete });
      this.workingOrders.set(uid, Math.max(0, (this.workingOrders.get(uid) ?? 0) - 1));
      return this.#reply(uid);
    });
    server.get("/v1/portfolio", async () => {
      this.portfolioReads += 1;
      return this.#portfolio();
    });
    return server.listen({ port: 0, host: "127.0.0.1" });
  }

  async stop(): Promise<void> {
    await this.#server?.close();
  }

  #reply(uid: string) {
    const workingOrders = this.workingOrders.get(uid) ?? 0;
    return { uid, run: 1, admitted: true, workingOrders, settled: workingOrders === 0 };
  }

  #portfolio(): PortfolioView {
    return {
      policyUid: this.policyUid,
      epoch: 1,
      state: this.state,
      reason: this.state === "Active" ? "" : "by annotation",
      equity: this.equity,
      peakEquity: "10000",
      drawdownRatio: "0.01",
      riskScore: 3,
      exposure: [],
      effectiveLimits: {},
      accounts: [{ name: "paper", ready: true, message: "", equity: this.equity, lastReconciledTime: Date.now(), drift: [] }],
      strategies: [...this.registrations.values()].map((registration) => ({
        uid: registration.uid,
        name: registration.name,
        accountName: registration.account,
        account: {
          startingCapital: "10000",
          equity: this.equity,
          cash: "5000",
          reserved: "0",
          realizedPnl: "20",
          unrealizedPnl: "3",
          fees: "1",
          positions: [],
        },
        decisions: 4,
        workingOrders: this.workingOrders.get(registration.uid) ?? 0,
        trading: registration.suspended ? { allowed: false, reason: "Suspended", message: "suspended" } : this.trading,
      })),
    };
  }
}
