import { describe, expect, test } from "vitest";
import { plainStyle } from "../../render/style.ts";
import { fakeWorld, policyObject, portfolioObject } from "../../testing/fake-world.ts";
import { adopt } from "./run.ts";

const wish = { account: "paper", policy: undefined, reason: "deposit", dryRun: false, confirmed: true };
const drift = [{ asset: "BTC", journal: "0.5", venue: "0.75" }];

function drifting(entries = drift) {
  const fake = fakeWorld(policyObject("demo"));
  const risk = fake.risks.get("demo")!;
  const [account] = risk.shown.accounts;
  risk.shown = portfolioObject({ accounts: [{ ...account!, drift: entries }] });
  return { ...fake, risk };
}

describe("adopt", () => {
  test("sends the numbers that were seen, so that others are not adopted", async () => {
    const { world, risk } = drifting();
    const outcome = await adopt(wish, world);
    expect(outcome).toMatchObject({ exitCode: 0, document: { changed: true } });
    expect(risk.calls).toEqual([{ call: "adopt", body: { who: "ada", reason: "deposit", account: "paper", seen: drift } }]);
    expect(outcome.lines(plainStyle).join("\n")).toMatch(/BTC +0.5 +0.75 +\+0.25/);
  });

  test("without --yes shows the numbers, changes nothing and ends with 1", async () => {
    const { world, risk } = drifting();
    const outcome = await adopt({ ...wish, confirmed: false }, world);
    expect(outcome).toMatchObject({ exitCode: 1, document: { changed: false, needsConfirmation: true, drift } });
    expect(risk.calls).toEqual([]);
    expect(outcome.lines(plainStyle).join("\n")).toContain("--yes");
  });

  test("a dry run shows the numbers and ends with 0", async () => {
    const { world, risk } = drifting();
    expect(await adopt({ ...wish, dryRun: true }, world)).toMatchObject({ exitCode: 0, document: { changed: false, drift } });
    expect(risk.calls).toEqual([]);
  });

  test("has nothing to do where journal and venue agree", async () => {
    const { world, risk } = drifting([]);
    expect(await adopt(wish, world)).toMatchObject({ exitCode: 0, document: { changed: false } });
    expect(risk.calls).toEqual([]);
  });

  test("names the accounts there are", async () => {
    const { world } = drifting();
    await expect(adopt({ ...wish, account: "main" }, world)).rejects.toMatchObject({
      code: "ACCOUNT_NOT_FOUND",
      message: expect.stringContaining("it has: paper") as string,
    });
  });
});
