import type { Clock } from "@bellwether/service-kit";

const samples = 3;

/** How far the venue's clock is ahead of ours, by the sample whose answer came back fastest: it had the least time to lie. */
export interface MeasuredOffset {
  readonly offsetMs: number;
  /** The true offset is within this of the measured one. */
  readonly uncertaintyMs: number;
  readonly measuredAtMs: number;
}

/** @throws what `serverTimeMs` throws */
export async function measureOffset(clock: Clock, serverTimeMs: () => Promise<number>): Promise<MeasuredOffset> {
  let best: MeasuredOffset | undefined;
  for (let sample = 0; sample < samples; sample += 1) {
    const beforeMs = clock.nowMs();
    const serverMs = await serverTimeMs();
    const afterMs = clock.nowMs();
    const uncertaintyMs = (afterMs - beforeMs) / 2;
    if (best && best.uncertaintyMs <= uncertaintyMs) continue;
    best = { offsetMs: Math.round(serverMs - (beforeMs + afterMs) / 2), uncertaintyMs, measuredAtMs: afterMs };
  }
  return best ?? { offsetMs: 0, uncertaintyMs: Number.POSITIVE_INFINITY, measuredAtMs: clock.nowMs() };
}
