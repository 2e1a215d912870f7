import { describe, expect, test } from "vitest";
import { type EmbeddingAsk, EmbeddingBatcher } from "./embedding-batch.ts";

describe("embeddings", () => {
  const limits = { windowMs: 10, maxRequests: 3, maxInputs: 5 };
  const ask = (id: string, inputs: string[], more: Partial<EmbeddingAsk> = {}): EmbeddingAsk => ({
    id,
    inputs,
    group: "g",
    enteredAtMs: 0,
    ...more,
  });

  test("asked for within the window go in one call, each text once, and come back in each one's order", () => {
    const batcher = new EmbeddingBatcher(limits);
    expect(batcher.add(ask("1", ["a", "b"]))).toEqual([]);
    expect(batcher.add(ask("2", ["b"], { enteredAtMs: 5 }))).toEqual([]);
    expect([batcher.nextDueMs(), batcher.due(9)]).toEqual([10, []]);
    expect(batcher.due(10)).toEqual([
      {
        group: "g",
        inputs: ["a", "b"],
        places: new Map([
          ["1", [0, 1]],
          ["2", [1]],
        ]),
      },
    ]);
    expect([batcher.nextDueMs(), batcher.due(99)]).toEqual([undefined, []]);
  });

  test("go at once when the call is full", () => {
    const batcher = new EmbeddingBatcher(limits);
    batcher.add(ask("1", ["a"]));
    batcher.add(ask("2", ["b"]));
    expect(batcher.add(ask("3", ["c"]))).toMatchObject([{ inputs: ["a", "b", "c"] }]);
  });

  test("that would be too many texts start another call", () => {
    const batcher = new EmbeddingBatcher(limits);
    batcher.add(ask("1", ["a", "b", "c"]));
    expect(batcher.add(ask("2", ["d", "e", "f"]))).toMatchObject([{ inputs: ["a", "b", "c"] }]);
    expect(batcher.due(10)).toMatchObject([{ inputs: ["d", "e", "f"] }]);
  });

  test("of another model or size share no call, and large asks wait for nobody", () => {
    const batcher = new EmbeddingBatcher(limits);
    batcher.add(ask("1", ["a"]));
    batcher.add(ask("2", ["a"], { group: "h" }));
    expect(batcher.add(ask("3", ["a", "b", "c", "d", "e", "f"]))).toMatchObject([{ inputs: ["a", "b", "c", "d", "e", "f"] }]);
    expect(batcher.due(10).map(({ group }) => group)).toEqual(["g", "h"]);
  });

  test("wait for nobody without a window", () => {
    expect(new EmbeddingBatcher({ ...limits, windowMs: 0 }).add(ask("1", ["a"]))).toHaveLength(1);
  });
});
