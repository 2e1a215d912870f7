import { describe, expect, test } from "vitest";
import { usdc, wallet } from "../../testing/solana-proposals.ts";
import { type HttpFetch, Jupiter } from "./jupiter.ts";
import { wrappedSolMint } from "./program-addresses.ts";

const { signal } = new AbortController();
const request = { input: wrappedSolMint, output: usdc, amount: 5n, mode: "ExactIn", slippageBps: 50 } as const;
const reply = {
  inputMint: wrappedSolMint,
  outputMint: usdc,
  inAmount: "5",
  outAmount: "18446744073709551615",
  otherAmountThreshold: "1",
  routePlan: [],
};

function service(answer: (url: string, body: string | undefined) => { status: number; body: unknown }): {
  jupiter: Jupiter;
  asked: string[];
} {
  const asked: string[] = [];
  const fetch: HttpFetch = async (url, { body }) => {
    asked.push(`${url} ${body ?? ""}`.trim());
    const { status, body: json } = answer(url, body);
    return { ok: status < 300, status, json: async () => json };
  };
  return { jupiter: new Jupiter({ baseUrl: "http://swap.test/", fetch }), asked };
}

describe("a Jupiter-shaped swap service", () => {
  test("quotes amounts that are exact, however large", async () => {
    const { jupiter, asked } = service(() => ({ status: 200, body: reply }));
    expect(await jupiter.quote(request, signal)).toMatchObject({
      inputAmount: 5n,
      outputAmount: 18_446_744_073_709_551_615n,
      threshold: 1n,
    });
    expect(asked[0]).toBe(
      `http://swap.test/swap/v1/quote?inputMint=${wrappedSolMint}&outputMint=${usdc}&amount=5&swapMode=ExactIn&slippageBps=50`,
    );
  });

  test("gets its own quote back, and its claim of a last valid height is not taken", async () => {
    const { jupiter, asked } = service((url) => ({
      status: 200,
      body: url.includes("quote") ? reply : { swapTransaction: "AAEC", lastValidBlockHeight: 1 },
    }));
    const quote = await jupiter.quote(request, signal);
    expect(await jupiter.propose({ quote, wallet, microLamportsPerUnit: 7n }, signal)).toEqual({
      bytes: new Uint8Array([0, 1, 2]),
    });
    expect(JSON.parse(asked[1]?.split(" ").slice(1).join(" ") ?? "")).toMatchObject({
      quoteResponse: reply,
      userPublicKey: wallet,
      computeUnitPriceMicroLamports: 7,
    });
  });

  test.each([
    { what: "a quote for other tokens", status: 200, body: { ...reply, outputMint: wrappedSolMint }, code: "SWAP_REFUSED" },
    { what: "amounts that are no numbers", status: 200, body: { ...reply, outAmount: "1e9" }, code: "SWAP_REFUSED" },
    { what: "a page", status: 200, body: "<html>", code: "SWAP_REFUSED" },
    { what: "no route", status: 400, body: {}, code: "SWAP_REFUSED" },
    { what: "a fault of its own", status: 502, body: {}, code: "VENUE_UNREACHABLE" },
  ])("that answers with $what gives no swap", async ({ status, body, code }) => {
    const { jupiter } = service(() => ({ status, body }));
    await expect(jupiter.quote(request, signal)).rejects.toMatchObject({ code });
  });
});
