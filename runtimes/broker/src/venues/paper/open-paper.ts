import { join } from "node:path";
import type { PaperAccountConfig } from "../../config.ts";
import type { OpenVenue } from "../venue.ts";
import { PaperVenue } from "./paper-venue.ts";

/** The venue of a paper account, played against the feed's bars. @throws CodedError LOG_CORRUPT, PAPER_STATE_CHANGED when opened */
export function openPaper(paper: PaperAccountConfig): OpenVenue {
  return ({ accountUid, account, dataDirectory, feed, clock, failPoints, log }) =>
    PaperVenue.open({
      directory: join(dataDirectory, "paper-venue"),
      accountUid,
      account,
      settings: {
        feeBps: paper.feeBps,
        slippageBps: paper.slippageBps,
        volumeShare: paper.volumeShare,
        volumeUnit: "replay" in paper.market ? paper.market.replay.volumeUnit : "Base",
      },
      balances: paper.balances,
      market: feed,
      clock,
      failPoints,
      log,
    });
}
