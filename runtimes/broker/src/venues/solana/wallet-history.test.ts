import { seededRandom } from "@bellwether/service-kit";
import { describe, expect, test } from "vitest";
import { type WalletHistory, earlyResigns, walletHistory } from "../../testing/wallet-history.ts";

const histories = 5_000;
const wrong = ({ landings, untrue }: WalletHistory): boolean => landings > 1 || untrue.length > 0;

describe(`${histories} histories of a wallet with forks, late landing and sources that lag, freeze and forget`, () => {
  test("move the money at most once, and what is said of an attempt is so", () => {
    const totals = { attempts: 0, forks: 0, lastMoments: 0, landed: 0, resigned: 0 };
    for (let seed = 1; seed <= histories; seed += 1) {
      const history = walletHistory(seededRandom(seed));
      expect({ seed, landings: Math.min(history.landings, 1), untrue: history.untrue }).toEqual({
        seed,
        landings: history.landings,
        untrue: [],
      });
      totals.attempts += history.attempts;
      totals.forks += history.forks;
      totals.lastMoments += history.lastMoments;
      totals.landed += history.landings;
      totals.resigned += history.attempts - 1;
    }
    // They are worth something: all of it happens often.
    for (const total of Object.values(totals)) expect(total).toBeGreaterThan(histories / 10);
  });

  test.each(Object.entries(earlyResigns))("notice when %s", (_name, mutant) => {
    let noticed = 0;
    for (let seed = 1; seed <= histories; seed += 1) if (wrong(walletHistory(seededRandom(seed), mutant))) noticed += 1;
    expect(noticed).toBeGreaterThan(0);
  });
});
