import { createLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { describe, expect, test } from "vitest";
import { Keeper } from "./keeper.ts";
import type { LocalOllama } from "./local-ollama.ts";

/** An Ollama that can be broken: it forgets what is loaded, loses its model, or does not answer. */
class FakeOllama implements LocalOllama {
  answers = true;
  stored = false;
  loaded = false;
  /** Thrown by the next download. */
  refusal: Error | undefined;
  fetched = 0;

  async version(): Promise<void> {
    if (!this.answers) throw new Error("connection refused");
  }

  async hasModel(): Promise<boolean> {
    return this.stored;
  }

  async fetch(onProgress: (ratio: number) => void): Promise<void> {
    this.fetched += 1;
    if (this.refusal) throw this.refusal;
    onProgress(0.5);
    this.stored = true;
  }

  async warm(): Promise<{ tokensPerSecond: number }> {
    this.loaded = true;
    return { tokensPerSecond: 12.34 };
  }

  async isLoaded(): Promise<boolean> {
    await this.version();
    return this.loaded;
  }
}

function keeping() {
  const clock = new ManualClock(0);
  const ollama = new FakeOllama();
  const runner = () => (ollama.loaded ? { threads: 2, cpus: "2-3" } : undefined);
  const keeper = new Keeper({ ollama, runner, lookMs: 5_000, clock, log: createLogger({ name: "keeper", level: "fatal" }) });
  const stopped = new AbortController();
  const done = keeper.run(stopped.signal);
  const pass = async (delayMs: number): Promise<void> => {
    for (let left = delayMs; left > 0; left -= 100) await clock.advance(Math.min(100, left));
  };
  const stop = async (): Promise<void> => {
    stopped.abort();
    await pass(100);
    await done.catch(() => undefined);
  };
  return { ollama, keeper, pass, stop };
}

describe("the keeper of a local model", () => {
  test("brings the model, warms it, and is ready only then", async () => {
    const { keeper, pass, stop } = keeping();
    expect(keeper.ready().ok).toBe(false);
    await pass(200);
    expect(keeper.status()).toEqual({
      phase: "Ready",
      message: "the model is loaded and answers",
      threads: 2,
      cpus: "2-3",
      tokensPerSecond: "12.3",
    });
    expect(keeper.ready().ok).toBe(true);
    await stop();
  });

  test("does not download what is on the volume", async () => {
    const { ollama, keeper, pass, stop } = keeping();
    ollama.stored = true;
    await pass(200);
    expect([keeper.ready().ok, ollama.fetched]).toEqual([true, 0]);
    await stop();
  });

  test("says why the model cannot be had, tries again after a pause, and stays alive", async () => {
    const { ollama, keeper, pass, stop } = keeping();
    ollama.refusal = new Error("pull model manifest: file does not exist");
    await pass(120_000);
    expect(keeper.status()).toMatchObject({ phase: "Failed", message: "pull model manifest: file does not exist" });
    expect(keeper.live().ok).toBe(true);
    expect(ollama.fetched).toBeGreaterThan(2);
    ollama.refusal = undefined;
    await pass(70_000);
    expect(keeper.ready().ok).toBe(true);
    await stop();
  });

  test("loads the model again when it is gone from memory", async () => {
    const { ollama, keeper, pass, stop } = keeping();
    await pass(200);
    ollama.loaded = false;
    expect(keeper.status().threads).toBeUndefined();
    await pass(6_000);
    expect([ollama.loaded, keeper.ready().ok]).toEqual([true, true]);
    await stop();
  });

  test("is begun anew when Ollama has not answered for a minute", async () => {
    const { ollama, keeper, pass, stop } = keeping();
    ollama.answers = false;
    await pass(30_000);
    expect(keeper.live().ok).toBe(true);
    await pass(40_000);
    expect(keeper.live()).toMatchObject({ ok: false, message: "does not answer" });
    await stop();
  });
});
