import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { beforeEach, describe, expect, test } from "vitest";
import { WriteCadence } from "./write-cadence.ts";

interface Status {
  readonly phase: string;
  readonly equity?: string;
}

describe("live figures of a status", () => {
  let clock: ManualClock;
  let cadence: WriteCadence;
  let written: Status[];
  beforeEach(() => {
    clock = new ManualClock();
    cadence = new WriteCadence(clock, 30_000);
    written = [];
  });

  /** What a reconcile does that sees this. */
  const reconcile = (seen: Required<Status>): Promise<number | undefined> => {
    const differs = (next: Status): boolean => JSON.stringify(next) !== JSON.stringify(written.at(-1));
    return cadence.write<Status>({
      uid: "u",
      statusOf: (figuresDue) => (figuresDue || !written.at(-1)?.equity ? seen : { ...written.at(-1), phase: seen.phase }),
      differs,
      write: async (next) => differs(next) && written.push(next) > 0,
      hasFigures: ({ equity }) => equity !== undefined,
    });
  };

  test("are written at once the first time, and then once in an interval", async () => {
    expect(await reconcile({ phase: "Running", equity: "100" })).toBeUndefined();
    await clock.advance(10_000);
    expect(await reconcile({ phase: "Running", equity: "99" })).toBe(20_000);
    expect(written).toEqual([{ phase: "Running", equity: "100" }]);
    await clock.advance(20_000);
    expect(await reconcile({ phase: "Running", equity: "98" })).toBeUndefined();
    expect(written.at(-1)).toEqual({ phase: "Running", equity: "98" });
  });

  test("go along with what is written anyway, and wait again from then on", async () => {
    await reconcile({ phase: "Running", equity: "100" });
    await clock.advance(10_000);
    expect(await reconcile({ phase: "Paused", equity: "97" })).toBeUndefined();
    expect(written.at(-1)).toEqual({ phase: "Paused", equity: "97" });
    await clock.advance(25_000);
    expect(await reconcile({ phase: "Paused", equity: "96" })).toBe(5_000);
    expect(written).toHaveLength(2);
  });

  test("that stand still are nothing to come back for", async () => {
    await reconcile({ phase: "Running", equity: "100" });
    expect(await reconcile({ phase: "Running", equity: "100" })).toBeUndefined();
    expect(written).toHaveLength(1);
  });
});
