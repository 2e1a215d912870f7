import { array, assert, boolean, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { type SourceHistory, type SourceVerdict, judgeSources, sayVerdict, withSlot } from "./judge-sources.ts";

const now = 1_000_000;
const at = (name: string, slot: number, change: Partial<SourceHistory> = {}): SourceHistory => ({
  name,
  cluster: "right",
  slot,
  advancedAtMs: now - 500,
  answeredAtMs: now - 500,
  ...change,
});

describe("sources are believed", () => {
  test.each<{
    when: string;
    histories: SourceHistory[];
    verdicts: (true | Extract<SourceVerdict, { healthy: false }>["reason"])[];
  }>([
    { when: "they move together", histories: [at("a", 100), at("b", 103)], verdicts: [true, true] },
    { when: "one alone moves", histories: [at("a", 100)], verdicts: [true] },
    {
      when: "one stands still, though it answers",
      histories: [at("a", 100), at("b", 100, { advancedAtMs: now - 6_001 })],
      verdicts: [true, "NoSlotProgress"],
    },
    {
      when: "all stand still",
      histories: [at("a", 100, { advancedAtMs: now - 7_000 }), at("b", 90, { advancedAtMs: now - 9_000 })],
      verdicts: ["NoSlotProgress", "NoSlotProgress"],
    },
    { when: "one moves, far behind", histories: [at("a", 5_000), at("b", 100)], verdicts: [true, "Behind"] },
    {
      when: "one answers no more",
      histories: [at("a", 100), at("b", 100, { answeredAtMs: now - 6_001 })],
      verdicts: [true, "Unreachable"],
    },
    {
      when: "one is of another cluster",
      histories: [at("a", 100), at("b", 9_000_000, { cluster: "wrong" })],
      verdicts: [true, "WrongCluster"],
    },
    {
      when: "one has not been asked",
      histories: [at("a", 100), { name: "b", cluster: "not-asked" }],
      verdicts: [true, "NotAskedYet"],
    },
    {
      when: "one of three runs ahead of the world",
      histories: [at("a", 100), at("b", 101), at("c", 90_000)],
      verdicts: [true, true, true],
    },
  ])("when $when", ({ histories, verdicts }) => {
    const judged = judgeSources(histories, now);
    expect(judged.map((verdict) => (verdict.healthy ? true : verdict.reason))).toEqual(verdicts);
    for (const verdict of judged) expect(sayVerdict(verdict)).toContain(verdict.name);
  });

  test("a slot that goes back, or comes again, is no progress", () => {
    const history = withSlot(at("a", 100), 99, now + 1_000);
    expect(history).toMatchObject({ slot: 100, advancedAtMs: now - 500, answeredAtMs: now + 1_000 });
    expect(withSlot(history, 101, now + 2_000)).toMatchObject({ slot: 101, advancedAtMs: now + 2_000 });
  });

  test("whatever came before: no new slot for ten seconds, asked every second, is found out", () => {
    const earlier = array(
      record({ waitMs: integer({ min: 100, max: 2_000 }), slots: integer({ min: -40, max: 40 }), answers: boolean() }),
      { maxLength: 30 },
    );
    assert(
      property(earlier, boolean(), (steps, answersStill) => {
        let time = 0;
        let slot = 1_000;
        let history: SourceHistory = { name: "a", cluster: "right" };
        for (const { waitMs, slots, answers } of steps) {
          time += waitMs;
          slot += slots;
          if (answers) history = withSlot(history, slot, time);
        }
        // From here on the chain it shows stands still.
        const frozen = Math.min(slot, history.slot ?? slot);
        history = withSlot(history, frozen, time);
        for (let second = 1; second <= 10; second += 1)
          if (answersStill) history = withSlot(history, frozen, time + second * 1_000);
        expect(judgeSources([history], time + 10_000)[0]?.healthy).toBe(false);
      }),
    );
  });
});
