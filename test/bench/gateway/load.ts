import { Agent, type IncomingMessage, request } from "node:http";
import { performance } from "node:perf_hooks";

export interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The body of the n-th request. */
  body(index: number): string;
}

export interface Sample {
  /** To the end of the answer. */
  readonly ms: number;
  /** To the first piece of text; the same as `ms` for a whole answer. */
  readonly firstMs: number;
  readonly ok: boolean;
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/** One request; measured from `sinceMs`, when it should have been sent, so that a late one counts as slow. */
function send(target: Target, index: number, sinceMs: number): Promise<Sample> {
  const body = target.body(index);
  const headers = { ...target.headers, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve) => {
    const fail = (): void => resolve({ ms: performance.now() - sinceMs, firstMs: Number.NaN, ok: false });
    const call = request(target.url, { agent, method: "POST", headers }, (response: IncomingMessage) => {
      let firstMs = Number.NaN;
      response.on("data", (chunk: Buffer) => {
        if (Number.isNaN(firstMs) && chunk.includes('content":"')) firstMs = performance.now() - sinceMs;
      });
      response.on("end", () => resolve({ ms: performance.now() - sinceMs, firstMs, ok: response.statusCode === 200 }));
      response.on("error", fail);
    });
    call.on("error", fail);
    call.end(body);
  });
}

/** As many requests a second as asked for, whether the answers come or not. */
export async function openLoop(
  target: Target,
  { perSecond, seconds }: { perSecond: number; seconds: number },
): Promise<Sample[]> {
  const total = perSecond * seconds;
  const startMs = performance.now();
  const answers: Promise<Sample>[] = [];
  while (answers.length < total) {
    // The first one is due at once.
    const due = Math.min(total, 1 + Math.floor(((performance.now() - startMs) * perSecond) / 1_000));
    while (answers.length < due) answers.push(send(target, answers.length, startMs + (answers.length * 1_000) / perSecond));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return Promise.all(answers);
}

/** One after another over one connection: what an answer takes, without the tick of a timer and without a queue. */
export async function oneByOne(target: Target, count: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  while (samples.length < count) samples.push(await send(target, samples.length, performance.now()));
  return samples;
}

/** As many as go through with so many under way at once, for so long or until so many are done. */
export async function closedLoop(
  target: Target,
  { connections, seconds = Infinity, requests = Infinity }: { connections: number; seconds?: number; requests?: number },
): Promise<{ perSecond: number; done: number; failed: number }> {
  const startMs = performance.now();
  let [done, failed, next] = [0, 0, 0];
  const worker = async (): Promise<void> => {
    while (next < requests && performance.now() - startMs < seconds * 1_000) {
      const { ok } = await send(target, next++, performance.now());
      done += 1;
      if (!ok) failed += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return { perSecond: done / ((performance.now() - startMs) / 1_000), done, failed };
}

/** The value below which this part (0–1) of them lies. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export function closeConnections(): void {
  agent.destroy();
}
