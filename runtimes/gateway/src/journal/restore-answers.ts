import { hasCode } from "@bellwether/service-kit";
import type { AnswerCache } from "../store/answer-cache.ts";
import type { ExpiringStore } from "../store/expiring-store.ts";
import type { AnswerJournal } from "./answer-journal.ts";

const markTtlMs = 24 * 3_600_000;

export interface RestoreParts {
  readonly routeUid: string;
  readonly store: ExpiringStore;
  readonly cache: AnswerCache;
  readonly journal: AnswerJournal;
}

/**
 * Fills an empty store from the journal: at the start, and whenever Redis has come back without its memory. A mark tells a store that has been filled.
 * False: one of the two is away; ask again when it is back.
 */
export async function restoreAnswers({ routeUid, store, cache, journal }: RestoreParts): Promise<boolean> {
  const mark = `bellwether:restored:${routeUid}`;
  try {
    if ((await store.get(mark)) !== undefined) return true;
    await cache.restore(await journal.load());
    await store.set(mark, "1", markTtlMs);
    return true;
  } catch (error) {
    if (hasCode(error, "STORE_UNAVAILABLE") || hasCode(error, "JOURNAL_UNAVAILABLE")) return false;
    throw error;
  }
}
