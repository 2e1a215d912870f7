import { hasCode } from "@bellwether/service-kit";
import type { RiskService } from "../../runtimes/risk/src/service.ts";
import type { OnDelete } from "./control-monitor.ts";
import { Violation } from "./violation.ts";
import { accountName } from "./world/broker-node.ts";
import type { World } from "./world/world.ts";

/** Attempts of a person or the operator, whose request nobody may have answered. */
const mostAttempts = 600;
const answerMs = 5_000;
const author = { who: "somebody", reason: "a drill" };
/** Within this a risk that has just started has compared its journal with the venue. */
const noticedMs = 20_000;
const quietMs = 60_000;

/** Who acts on a running policy besides its programs: each asks again until it is answered. */
export class People {
  readonly #world: World;
  #halted = false;
  #resets = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Asks until `ask` says something. Refusals by code are answers that may be others a moment later. */
  async insist<T>(what: string, ask: (service: RiskService) => Promise<T | undefined>): Promise<T> {
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      const answer = await this.#ask(ask);
      if (answer !== undefined) return answer;
    }
    throw new Error(`nobody answers: ${what}`);
  }

  async halt(): Promise<void> {
    const { clock, monitor } = this.#world;
    await this.insist("halt", (service) => service.desk.halt(author, "Halted"));
    this.#halted = true;
    monitor.halted(clock.nowMs());
  }

  async resume(): Promise<void> {
    if (!this.#halted) return;
    this.#halted = false;
    this.#world.monitor.halted(undefined);
    await this.insist("resume", (service) => service.desk.resume(author));
  }

  /** What was said to a journal that is gone was said to nobody. */
  forgotten(): void {
    if (this.#halted) this.#world.monitor.halted(undefined);
    this.#halted = false;
  }

  /** Arms what has tripped, if anything has: by the policy's annotation, or by the control API. */
  async reset(byAnnotation: boolean): Promise<void> {
    const world = this.#world;
    const tripped = await this.insist("breakers", async (service) =>
      (service.portfolio().breakers ?? []).filter(({ state }) => state !== "Armed"),
    );
    for (const { type } of tripped) {
      this.#resets += 1;
      if (!byAnnotation) await this.insist("reset", (service) => service.desk.resetBreaker(author, type));
      else {
        world.setPolicy({ reset: `${type} drill ${this.#resets}` });
        await world.advance(1_000);
      }
    }
  }

  /** Deletes a strategy for good. */
  async delete(uid: string, onDelete: OnDelete): Promise<void> {
    await this.insist(`deletion of ${uid}`, (service) => service.delete(uid, onDelete));
    this.#world.monitor.deleted(uid, onDelete);
  }

  /** Another hand trades with the account's key: the account has to be held, until a person takes the venue's amounts for true. */
  async adoptForeignTrade(side: "buy" | "sell", whileHeld: () => Promise<void>): Promise<void> {
    const world = this.#world;
    const { exchange, clock, monitor } = world;
    await this.halt();
    await world.advance(quietMs, () => monitor.idle);
    if (!monitor.idle) return this.resume();
    if (!exchange.tradeForeign(side, clock.nowMs())) return this.resume();
    world.kill("risk");
    await world.advance(noticedMs, () => this.#held);
    if (!this.#held) throw new Violation(2, "journal and venue differ, and nobody has noticed");
    monitor.held(true);
    await this.resume();
    await whileHeld();
    monitor.held(false);
    await this.insist("adoption", (service) => this.#adopted(service));
  }

  async #adopted(service: RiskService): Promise<true> {
    try {
      await service.adopt(accountName, author, undefined);
    } catch (error) {
      // An answer that was lost: it is done.
      if (!hasCode(error, "NOT_DRIFTING")) throw error;
    }
    return true;
  }

  get #held(): boolean {
    const { risk } = this.#world;
    return risk?.process.dead === false && risk.service.accounts.some(({ heldMessage }) => heldMessage !== undefined);
  }

  async #ask<T>(ask: (service: RiskService) => Promise<T | undefined>): Promise<T | undefined> {
    const world = this.#world;
    await world.advance(100);
    const { risk } = world;
    if (!risk || risk.process.dead) return undefined;
    const answer: { settled: boolean; value: T | undefined } = { settled: false, value: undefined };
    ask(risk.service).then(
      (value) => void Object.assign(answer, { settled: true, value }),
      (error: unknown) => {
        answer.settled = true;
        if (!hasCode(error)) world.fail(error);
      },
    );
    await world.advance(answerMs, () => answer.settled || risk.process.dead);
    return answer.value;
  }
}
