import { type Random, hasCode } from "@bellwether/service-kit";
import { type DecisionRequest, type StrategyRegistration, formatDecimal, parseDecimal } from "@bellwether/trading";
import { expect } from "vitest";
import { rowsOf } from "./postgres.ts";
import { type CallFault, type RiskWorld, type RunningRisk, policy, startingUsdt } from "./risk-fixture.ts";

const operationsPerHistory = 50;
const faults: readonly CallFault[] = ["none", "none", "none", "request-lost", "reply-lost", "late"];
const strategies = ["alpha", "beta"];

/*
 * A generated history of risk and broker together: decisions, repeats, changed repeats, cancels, replaces, halts, suspensions, bars; requests and
 * answers lost or late on both lines; either process ending between any two steps; a superseded risk that goes on. Whatever happens, afterwards
 *   1. the venue has taken at most one order per intent, and only orders that risk has approved;
 *   2. no bar was decided twice, and each cursor only rose;
 *   3. every order has ended and reserves nothing; at no time could a strategy's open buys cost more than its own cash;
 *   4. transfers + fills − fees in SQL = risk's fold = the venue's balances, to the last digit;
 *   5. no order was approved past a limit, every pending one counted; none after a halt.
 */
export class History {
  readonly #world: RiskWorld;
  readonly #random: Random;
  readonly #asked: DecisionRequest[] = [];
  #risk: RunningRisk | undefined;
  #old: RunningRisk | undefined;
  #price = 100;

  constructor(world: RiskWorld, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  async run(): Promise<void> {
    await this.#world.postgres.reset();
    await this.#alive();
    await this.#bar();
    for (let step = 0; step < operationsPerHistory; step += 1) {
      await this.#alive();
      await this.#operation().catch(expectKnown);
      if (this.#risk?.failPoints.crashed) await this.#endRisk();
      if (this.#world.line.running?.failPoints.crashed) await this.#endBroker();
      await this.#noDebts();
    }
  }

  /** The world heals; what is working is cancelled; everything finds its end. */
  async settle(): Promise<void> {
    await this.#endRisk();
    await this.#endBroker();
    this.#world.broker.line.plan();
    this.#world.broker.line.down = false;
    this.#world.line.next = "none";
    this.#world.policy = policy;
    this.#world.line.running = await this.#world.broker.start();
    await this.#world.line.deliverLate();
    await this.#world.broker.line.deliverLate().catch(() => undefined);
    this.#risk = await this.#world.start();
    for (const uid of strategies) await this.#risk.service.register(registrationOf(uid, { suspended: true }));
    for (let round = 0; round < 12; round += 1) {
      await this.#world.clock.sleep(15_000);
      await this.#bar();
      await this.#world.line.running.broker.sweep();
      await this.#world.round(this.#risk);
    }
  }

  async verify(): Promise<void> {
    const sql = (text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> =>
      rowsOf(this.#world.postgres.superuserDsn, text, values);
    expect(await sql("select client_order_id, state from risk.orders where released_at is null")).toEqual([]);
    expect(await sql("select intent_id from risk.orders group by intent_id having count(*) > 1")).toEqual([]);
    expect(await sql("select 1 from risk.decisions group by strategy_uid, decision_time_ms having count(*) > 1")).toEqual([]);
    expect(
      await sql("select 1 from broker.orders b left join risk.orders r using (client_order_id) where r.client_order_id is null"),
    ).toEqual([]);
    const behind =
      "select 1 from risk.cursors c where decision_time_ms <> (select max(decision_time_ms) from risk.decisions d where d.strategy_uid = c.strategy_uid)";
    expect(await sql(behind)).toEqual([]);
    const counted =
      "select uid from risk.strategies s where decisions <> (select count(*) from risk.decisions d where d.strategy_uid = s.uid)";
    expect(await sql(counted)).toEqual([]);

    const portfolio = this.#risk?.service.portfolio();
    for (const { account } of portfolio?.strategies ?? []) expect(account.reserved).toBe("0");
    await this.#verifyVenue(sql);
  }

  async remove(): Promise<void> {
    await this.#endRisk();
    if (this.#old) await this.#world.end(this.#old);
    await this.#world.remove();
  }

  async #verifyVenue(sql: (text: string) => Promise<Record<string, unknown>[]>): Promise<void> {
    const [fold] = await sql(
      `select trim_scale(${startingUsdt} + coalesce(sum(case side when 'buy' then -quantity * price else quantity * price end - fee), 0))::text as quote,
              trim_scale(coalesce(sum(case side when 'buy' then quantity else -quantity end), 0))::text as base from broker.fills`,
    );
    const venue = await this.#world.line.account();
    const total = (asset: string): string => {
      const row = venue.balances.find((balance) => balance.asset === asset);
      return row ? formatDecimal(parseDecimal(row.free)) : "0";
    };
    expect({ quote: total("USDT"), base: total("BTC") }).toEqual(fold);
    const book = this.#risk?.service.accounts[0]?.book;
    const sums = new Map<string, bigint>();
    for (const [, { balances }] of book?.subAccounts() ?? []) {
      for (const [asset, amount] of Object.entries(balances)) sums.set(asset, (sums.get(asset) ?? 0n) + amount);
    }
    expect(sums.get("USDT")).toBe(parseDecimal(total("USDT")));
    expect(sums.get("BTC") ?? 0n).toBe(parseDecimal(total("BTC")));

    await this.#endBroker();
    this.#world.line.running = await this.#world.broker.start();
    const disk = this.#world.broker.venueOnDisk();
    const sent = await sql("select client_order_id as id from broker.orders where state not in ('NotSent', 'Rejected')");
    expect(disk.placements).toBe(new Set(disk.clientOrderIds).size);
    expect(new Set(disk.clientOrderIds)).toEqual(new Set(sent.map(({ id }) => id)));
  }

  /** Whatever is under way: no strategy's cash is below zero, and the open buys of all fit into the limit they were judged by. */
  async #noDebts(): Promise<void> {
    const account = this.#risk?.service.accounts[0];
    if (!account?.loaded) return;
    for (const uid of strategies) {
      expect(account.book.subAccount(uid).balances["USDT"] ?? 0n).toBeGreaterThanOrEqual(0n);
      expect(account.book.freeCash(uid, "USDT")).toBeGreaterThanOrEqual(0n);
      expect(account.book.held(uid, "BTC/USDT")).toBeGreaterThanOrEqual(0n);
    }
    await this.#solvent();
    expect(account.book.openOrders().length).toBeLessThanOrEqual(
      policy.limits.maxOpenOrders + sellsOf(account.book.openOrders()),
    );
  }

  /** From the tables alone, whatever risk believes: cash covers all that open buys can still cost. */
  async #solvent(): Promise<void> {
    const short = await rowsOf(
      this.#world.postgres.superuserDsn,
      `with cash as (
         select sub_account, sum(amount) as amount from (
           select to_sub_account as sub_account, amount from risk.transfers where asset = 'USDT'
           union all select from_sub_account, -amount from risk.transfers where asset = 'USDT'
           union all select o.strategy_uid, case f.side when 'buy' then -f.quantity * f.price else f.quantity * f.price end - f.fee
             from broker.fills f join risk.orders o using (client_order_id)
         ) entries group by sub_account
       ), claims as (
         select o.strategy_uid as sub_account, sum(o.reserved_quote - coalesce(spent.amount, 0)) as amount
         from risk.orders o left join broker.orders b using (client_order_id)
         left join lateral (
           select sum(f.quantity * f.price + f.fee) as amount from broker.fills f where f.client_order_id = o.client_order_id and f.leg = 'entry'
         ) spent on true
         where o.side = 'buy' and (b.state is null or b.state in ('AboutToSend', 'Unknown', 'Working'))
         group by o.strategy_uid
       )
       select claims.sub_account, trim_scale(cash.amount)::text as cash, trim_scale(claims.amount)::text as claimed
       from claims join cash using (sub_account) where claims.amount > cash.amount`,
    );
    expect(short).toEqual([]);
  }

  async #alive(): Promise<void> {
    while (!this.#world.line.running) {
      const crashAt = this.#random.next() < 0.3 ? 20 + this.#pick(200) : undefined;
      this.#world.line.running = await this.#world.broker.start(crashAt).catch(() => undefined);
    }
    while (!this.#risk) {
      const crashAt = this.#random.next() < 0.5 ? 3 + this.#pick(80) : undefined;
      this.#risk = await this.#world.start(crashAt).catch(expectKnown);
      if (!this.#risk) continue;
      const registered = await this.#register().catch(expectKnown);
      if (registered === undefined && this.#risk.failPoints.crashed) await this.#endRisk();
    }
  }

  async #register(): Promise<true> {
    for (const uid of strategies) await this.#risk?.service.register(registrationOf(uid, { suspended: false }));
    return true;
  }

  async #operation(): Promise<void> {
    const { service } = this.#risk ?? {};
    if (!service || !this.#risk) return;
    const kind = this.#random.next();
    this.#world.broker.line.hintsLost = this.#random.next() < 0.3;
    if (this.#random.next() < 0.3) this.#world.broker.line.plan(this.#random.next() < 0.5 ? "reply-lost" : "late");
    this.#world.line.next = faults[this.#pick(faults.length)] ?? "none";
    if (kind < 0.45) await this.#decide();
    else if (kind < 0.55) await this.#repeat();
    else if (kind < 0.72) await this.#bar();
    else if (kind < 0.8) await this.#world.round(this.#risk);
    else if (kind < 0.84) await this.#world.line.deliverLate();
    else if (kind < 0.86) await this.#world.broker.line.deliverLate();
    else if (kind < 0.89) await this.#world.line.running?.broker.sweep();
    else if (kind < 0.91) this.#risk.failPoints.kill();
    else if (kind < 0.93) this.#world.line.running?.failPoints.kill();
    else if (kind < 0.96) await this.#twoWriters();
    else if (kind < 0.98) await this.#haltAndResume();
    else await this.#world.clock.sleep(this.#pick(3_000));
  }

  async #decide(): Promise<void> {
    const service = this.#risk?.service;
    const uid = strategies[this.#pick(strategies.length)] ?? "";
    const snapshot = service?.snapshot(uid);
    if (!service || !snapshot) return;
    const orders = snapshot.orders.map(({ order }) => order.clientOrderId);
    const some = (chance: number): string | undefined =>
      this.#random.next() < chance ? orders[this.#pick(orders.length)] : undefined;
    const [cancelled, replaced] = [some(0.2), some(0.2)];
    const request: DecisionRequest = {
      strategyUid: uid,
      run: snapshot.run,
      marketSet: snapshot.marketSet,
      decisionTime: Math.max(snapshot.marketTime, (snapshot.lastDecisionTime ?? 0) + this.#pick(2)),
      state: JSON.stringify({ step: this.#asked.length }),
      intents: Array.from({ length: this.#pick(3) }, (_, ordinal) => this.#intent(ordinal)),
      cancels: cancelled === undefined ? [] : [{ ordinal: 10, clientOrderId: cancelled }],
      replaces:
        replaced === undefined ? [] : [{ ordinal: 11, clientOrderId: replaced, limit: String(this.#price + this.#pick(9) - 4) }],
    };
    this.#asked.push(request);
    await service.decide(request);
  }

  #intent(ordinal: number): DecisionRequest["intents"][number] {
    const base = { ordinal, market: "BTC/USDT", signalPrice: String(this.#price), validUntil: Number.MAX_SAFE_INTEGER };
    if (this.#random.next() < 0.35)
      return { ...base, side: "sell", size: this.#random.next() < 0.5 ? { all: true } : { quantity: "1.5" } };
    const legs = this.#random.next() < 0.3 ? { stopLoss: String(this.#price - 8), takeProfit: String(this.#price + 8) } : {};
    const limit = this.#random.next() < 0.4 ? { limit: String(this.#price - this.#pick(4)) } : {};
    return { ...base, side: "buy", size: { equityRatio: `0.${1 + this.#pick(4)}` }, ...limit, ...legs };
  }

  /** The same bytes again, or another decision on the same bar. */
  async #repeat(): Promise<void> {
    const request = this.#asked[this.#pick(this.#asked.length)];
    if (!request) return;
    const changed = this.#random.next() < 0.4 ? { ...request, state: '{"changed":true}' } : request;
    const reply = await this.#risk?.service.decide(changed);
    const [row] = await rowsOf(
      this.#world.postgres.superuserDsn,
      "select count(*)::int as count from risk.decisions where strategy_uid = $1 and decision_time_ms = $2",
      [request.strategyUid, request.decisionTime],
    );
    if (reply) expect(row).toEqual({ count: 1 });
  }

  /** A risk that does not know yet that another one has taken over. */
  async #twoWriters(): Promise<void> {
    if (this.#old) await this.#world.end(this.#old);
    this.#old = this.#risk;
    this.#risk = await this.#world.start();
    const stale = this.#asked.at(-1);
    if (!this.#old || !stale) return;
    const again = {
      ...stale,
      decisionTime: this.#world.broker.market.marketTimeMs() + 1,
      intents: [this.#intent(0)],
      cancels: [],
      replaces: [],
    };
    await expect(this.#old.service.decide(again)).rejects.toThrow();
    await this.#world.round(this.#old).catch(() => undefined);
  }

  async #haltAndResume(): Promise<void> {
    const risk = this.#risk;
    if (!risk) return;
    risk.service.setPolicy({ ...policy, haltAnnotation: "drill" });
    const before = await this.#placements();
    await this.#world.round(risk);
    const uid = strategies[this.#pick(strategies.length)] ?? "";
    const { run, marketSet, marketTime, lastDecisionTime = 0 } = risk.service.snapshot(uid);
    const decisionTime = Math.max(marketTime, lastDecisionTime + 1);
    const reply = await risk.service.decide({
      strategyUid: uid,
      run,
      marketSet,
      decisionTime,
      state: "{}",
      intents: [this.#intent(0)],
      cancels: [],
      replaces: [],
    });
    expect(reply.results[0]?.verdict.allowed).toBe(false);
    // Fewer when an unknown one turned out never to have been sent; never more.
    expect(await this.#placements()).toBeLessThanOrEqual(before);
    risk.service.setPolicy(policy);
  }

  async #placements(): Promise<number> {
    const [row] = await rowsOf(
      this.#world.postgres.superuserDsn,
      "select count(*)::int as count from broker.orders where state not in ('NotSent', 'Rejected')",
    );
    return Number(row?.["count"]);
  }

  async #bar(): Promise<void> {
    this.#price = Math.min(115, Math.max(85, this.#price + this.#pick(13) - 6));
    const close = this.#price + this.#pick(100) / 100;
    const opening = this.#random.next() < 0.15 ? { open: close + 12 } : {};
    const time = this.#world.broker.market.marketTimeMs();
    await this.#world.broker.market.close(close, { high: close + 14, low: close - 5, volume: 30 + this.#pick(300), ...opening });
    const bar = { time, open: close, high: close, low: close, close, volume: 1 };
    this.#risk?.service.onBar("paper", { market: "BTC/USDT", timeframe: "1m", bar, revision: false });
  }

  async #endRisk(): Promise<void> {
    if (this.#risk) await this.#world.end(this.#risk);
    this.#risk = undefined;
  }

  async #endBroker(): Promise<void> {
    if (this.#world.line.running) await this.#world.broker.end(this.#world.line.running);
    this.#world.line.running = undefined;
  }

  #pick(below: number): number {
    return Math.floor(this.#random.next() * below);
  }
}

function sellsOf(orders: readonly { readonly order: { readonly side: string } }[]): number {
  return orders.filter(({ order }) => order.side === "sell").length;
}

export function registrationOf(uid: string, { suspended }: { suspended: boolean }): StrategyRegistration {
  return {
    uid,
    namespace: "bellwether",
    name: uid,
    subject: `system:serviceaccount:bellwether:${uid}`,
    account: "paper",
    mode: "Paper",
    markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
    shareRatio: "0.5",
    suspended,
  };
}

/** Crashes, refusals and lost answers belong to a history; an assertion or a plain bug does not. */
function expectKnown(error: unknown): undefined {
  if (hasCode(error) || (error instanceof Error && ["RiskCrash", "Crash"].includes(error.name))) return undefined;
  throw error;
}
