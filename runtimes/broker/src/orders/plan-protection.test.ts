import { type Decimal, ZERO, parseDecimal, subtract } from "@bellwether/trading";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ProtectedOrder,
  type ProtectionView,
  type RestingProtection,
  offeredUnits,
  passedLeg,
  planProtection,
} from "./plan-protection.ts";

const d = parseDecimal;
const resting = (remaining: string, change: Partial<RestingProtection> = {}): RestingProtection => ({
  id: `r${remaining}`,
  acknowledged: true,
  remaining: d(remaining),
  whole: true,
  ...change,
});
const order = (clientOrderId: string, units: string, change: Partial<ProtectedOrder> = {}): ProtectedOrder => ({
  clientOrderId,
  stopLoss: d("90"),
  takeProfit: d("120"),
  units: d(units),
  entryOpen: false,
  legsCancelled: false,
  resting: [],
  ...change,
});
const rules = { quantityStep: d("0.01"), minQuantity: d("0.01"), minNotional: d("5") };
const view = (holding: string, orders: ProtectedOrder[], change: Partial<ProtectionView> = {}): ProtectionView => ({
  holding: d(holding),
  openSells: ZERO,
  orders,
  rules,
  ...change,
});
const place = (quantity: string): object => ({ step: "place", quantity: d(quantity) });
const cancel = (...ids: string[]): object => ({ step: "cancel", ids });

describe("which legs should rest", () => {
  test.each<{ when: string; view: ProtectionView; steps: object[] }>([
    { when: "nothing rests: placed, on the step", view: view("1.009", [order("a", "1.009")]), steps: [place("1")] },
    {
      when: "exactly that rests: left",
      view: view("1", [order("a", "1", { resting: [resting("1")] })]),
      steps: [{ step: "leave" }],
    },
    {
      when: "the entry has bought more: taken back, to be placed anew",
      view: view("1.5", [order("a", "1.5", { entryOpen: true, resting: [resting("1")] })]),
      steps: [cancel("r1")],
    },
    {
      when: "one of two legs has gone: taken back",
      view: view("0.6", [order("a", "0.6", { resting: [resting("0.6", { whole: false })] })]),
      steps: [cancel("r0.6")],
    },
    {
      when: "two rest where one should: taken back",
      view: view("2", [order("a", "2", { resting: [resting("1"), resting("2")] })]),
      steps: [cancel("r1", "r2")],
    },
    {
      when: "whether one rests is not known: waited for",
      view: view("1", [order("a", "1", { resting: [resting("1", { acknowledged: false })] })]),
      steps: [{ step: "wait" }],
    },
    {
      when: "an open sell needs the units: the oldest legs give way",
      view: view(
        "2",
        [
          order("a", "1", { resting: [resting("1", { id: "old" })] }),
          order("b", "1", { resting: [resting("1", { id: "young" })] }),
        ],
        { openSells: d("1") },
      ),
      steps: [cancel("old"), { step: "leave" }],
    },
    {
      when: "they have given way to an open sell: not done with",
      view: view("1", [order("a", "1")], { openSells: d("1") }),
      steps: [{ step: "leave" }],
    },
    {
      when: "other legs still hold the units: waited for",
      view: view("1", [order("a", "0", { resting: [resting("1")] }), order("b", "1")]),
      steps: [cancel("r1"), { step: "wait" }],
    },
    { when: "all has been sold: done with", view: view("0", [order("a", "0")]), steps: [{ step: "retire" }] },
    {
      when: "nothing was bought yet: left",
      view: view("0", [order("a", "0", { entryOpen: true })]),
      steps: [{ step: "leave" }],
    },
    {
      when: "somebody has taken the legs back",
      view: view("1", [order("a", "1", { legsCancelled: true, resting: [resting("1")] })]),
      steps: [cancel("r1")],
    },
    {
      when: "they are gone after that: done with",
      view: view("1", [order("a", "1", { legsCancelled: true })]),
      steps: [{ step: "retire" }],
    },
    {
      when: "the rest is below the least quantity: done with",
      view: view("0.009", [order("a", "0.009")]),
      steps: [{ step: "retire" }],
    },
    {
      when: "the rest is worth less than the least order: done with",
      view: view("0.05", [order("a", "0.05")]),
      steps: [{ step: "retire" }],
    },
    {
      when: "a first part is below the least order and more may come: left",
      view: view("0.05", [order("a", "0.05", { entryOpen: true })]),
      steps: [{ step: "leave" }],
    },
  ])("when $when", ({ view: given, steps }) => {
    expect(planProtection(given).map(({ step }) => step)).toEqual(steps.map((step) => expect.objectContaining(step)));
  });

  test("what is too small to be protected is told", () => {
    expect(planProtection(view("0.05", [order("a", "0.05")]))[0]).toMatchObject({ target: ZERO, tooSmall: d("0.05") });
  });

  test.each([
    { price: "91", leg: undefined },
    { price: "90", leg: "stopLoss" },
    { price: "1", leg: "stopLoss" },
    { price: "119.9", leg: undefined },
    { price: "120", leg: "takeProfit" },
  ])("at $price the leg that has been passed is $leg", ({ price, leg }) => {
    expect(passedLeg(order("a", "1"), d(price))).toBe(leg);
  });

  test("followed step by step, with requests that get lost, never offers more than is held beside open sells, and comes to rest", () => {
    const steps = fc.bigInt({ min: 0n, max: 300n }).map((hundredths) => (hundredths * 10n ** 16n) as Decimal);
    const orders = fc.array(
      fc.record({
        units: steps,
        entryOpen: fc.boolean(),
        legsCancelled: fc.boolean(),
        rests: fc.option(steps, { nil: undefined }),
      }),
      { minLength: 1, maxLength: 5 },
    );
    const lostRounds = fc.array(fc.boolean(), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(orders, fc.record({ spare: steps, sells: steps }), lostRounds, (given, { spare, sells }, lost) => {
        const world = given.map(({ rests, ...rest }, index) => ({
          ...order(`o${index}`, "0"),
          ...rest,
          // What rests was within the units once.
          resting:
            rests !== undefined && rests > 0n && rests <= rest.units
              ? [resting("0", { id: `first${index}`, remaining: rests })]
              : [],
        }));
        const holding = world.reduce((sum, one) => (sum + one.units) as Decimal, spare);
        const openSells = sells > holding ? holding : sells;
        const room = subtract(holding, openSells);
        // A sell that comes later finds legs in its way; from then on they only ever give way.
        let offered = offeredUnits(world);
        for (let round = 0; round < 40; round += 1) {
          const plan = planProtection({ holding, openSells, orders: world, rules });
          for (const { clientOrderId, step } of plan) {
            const one = world.find((other) => other.clientOrderId === clientOrderId);
            if (!one || lost[round] === true) continue;
            if (step.step === "cancel") one.resting = [];
            if (step.step === "place") one.resting = [resting("0", { id: `${round}`, remaining: step.quantity })];
          }
          const now = offeredUnits(world);
          expect(now <= room || now <= offered).toBe(true);
          offered = now;
        }
        expect(offered <= room).toBe(true);
        const last = planProtection({ holding, openSells, orders: world, rules });
        expect(last.every(({ step }) => step.step === "leave" || step.step === "retire")).toBe(true);
        for (const [index, { target }] of last.entries()) expect(offeredUnits([world[index]!])).toBe(target);
      }),
    );
  });
});
