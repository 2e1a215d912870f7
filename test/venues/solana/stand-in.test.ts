import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { getTransferSolInstruction } from "@solana-program/system";
import {
  type Base64EncodedWireTransaction,
  type KeyPairSigner,
  type Signature,
  address,
  appendTransactionMessageInstruction,
  createSolanaRpc,
  createSolanaRpcSubscriptions,
  createTransactionMessage,
  generateKeyPairSigner,
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  pipe,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransactionMessageWithSigners,
} from "@solana/kit";
import type { SolanaStandIn } from "./stand-in.ts";
import { svmMissing } from "./svm-missing.ts";

const missing = svmMissing();
const sol = 1_000_000_000n;

describe.skipIf(missing !== undefined)("Solana on loopback, asked with @solana/kit", () => {
  let solana: SolanaStandIn;
  let wallet: KeyPairSigner;
  let other: KeyPairSigner;
  let rpc: ReturnType<typeof createSolanaRpc>;

  beforeEach(async () => {
    const { SolanaStandIn } = await import("./stand-in.ts");
    solana = await SolanaStandIn.start({ now: () => 1_800_000_000_000 });
    rpc = createSolanaRpc(solana.rpcUrl("a"));
    wallet = await generateKeyPairSigner();
    other = await generateKeyPairSigner();
    await solana.fund(wallet.address, { lamports: 10n * sol });
  });
  afterEach(() => solana.stop());

  const signed = async (
    amount: bigint,
  ): Promise<{ wire: Base64EncodedWireTransaction; signature: Signature; lastValid: number }> => {
    const { value: lifetime } = await rpc.getLatestBlockhash({ commitment: "processed" }).send();
    const transaction = await pipe(
      createTransactionMessage({ version: 0 }),
      (message) => setTransactionMessageFeePayerSigner(wallet, message),
      (message) => setTransactionMessageLifetimeUsingBlockhash(lifetime, message),
      (message) =>
        appendTransactionMessageInstruction(
          getTransferSolInstruction({ source: wallet, destination: other.address, amount }),
          message,
        ),
      (message) => signTransactionMessageWithSigners(message),
    );
    return {
      wire: getBase64EncodedWireTransaction(transaction),
      signature: getSignatureFromTransaction(transaction),
      lastValid: Number(lifetime.lastValidBlockHeight),
    };
  };
  const send = (wire: Base64EncodedWireTransaction) =>
    rpc.sendTransaction(wire, { encoding: "base64", skipPreflight: true }).send();
  const status = async (signature: Signature, from = rpc) =>
    (await from.getSignatureStatuses([signature], { searchTransactionHistory: true }).send()).value[0];
  const untilHeight = (height: number): void => {
    while (solana.chain.tip.height < height) solana.chain.advance();
  };

  test("a transfer is processed, confirmed after 2 blocks and finalized after 32, with balances that add up to the lamport", async () => {
    const { wire, signature } = await signed(sol);
    expect(await send(wire)).toBe(signature);
    expect(await status(signature)).toBeNull();
    const seen: (string | null | undefined)[] = [];
    for (let block = 0; block < 40; block += 1) {
      const { height } = solana.chain.tip;
      untilHeight(height + 1);
      seen.push((await status(signature))?.confirmationStatus);
    }
    expect([seen.indexOf("processed"), seen.indexOf("confirmed"), seen.indexOf("finalized")]).toEqual([0, 2, 32]);
    const found = await rpc
      .getTransaction(signature, { commitment: "finalized", encoding: "base64", maxSupportedTransactionVersion: 0 })
      .send();
    expect(found?.meta).toMatchObject({
      err: null,
      fee: 5_000n,
      preBalances: [10n * sol, 0n, 1n],
      postBalances: [9n * sol - 5_000n, sol, 1n],
    });
    expect((await rpc.getBalance(other.address, { commitment: "finalized" }).send()).value).toBe(sol);
  });

  test("a failed transaction lands and costs its fee", async () => {
    const { wire, signature } = await signed(11n * sol);
    await send(wire);
    solana.chain.advance();
    expect((await status(signature))?.err).toEqual({ InstructionError: [0n, { Custom: 1n }] });
    expect(solana.chain.account(wallet.address)?.lamports).toBe(10n * sol - 5_000n);
  });

  test("a blockhash is taken up to 150 blocks after its own, and not one more", async () => {
    const [first, late] = [await signed(1n * sol), await signed(2n * sol)];
    untilHeight(first.lastValid - 1);
    await send(first.wire);
    untilHeight(first.lastValid);
    expect(await status(first.signature)).not.toBeNull();
    await send(late.wire);
    solana.chain.advance(10);
    expect(await status(late.signature)).toBeNull();
    expect(solana.chain.waiting).toEqual([]);
  });

  test("held transactions land late: after so many slots, or in the last block that may take them", async () => {
    solana.chain.hold(30, "last-moment");
    const [first, second] = [await signed(1n * sol), await signed(2n * sol)];
    await send(first.wire);
    await send(second.wire);
    solana.chain.advance(20);
    expect(await status(first.signature)).toBeNull();
    solana.chain.advance(12);
    expect(await status(first.signature)).not.toBeNull();
    untilHeight(second.lastValid);
    expect(solana.chain.landed(second.signature)?.slot).toBe(solana.chain.tip.slot);
  });

  test("a fork takes back a confirmed transaction with all it did, and heights fall; kept ones land again", async () => {
    const { wire, signature } = await signed(sol);
    const signedAt = solana.chain.tip.height;
    await send(wire);
    solana.chain.advance(5);
    expect((await status(signature))?.confirmationStatus).toBe("confirmed");
    const { height } = solana.chain.tip;
    // Back to the block whose hash it carries: that one stays.
    expect(solana.chain.fork(height - signedAt)).toEqual([signature]);
    expect(solana.chain.tip.height).toBeLessThan(height);
    expect(await status(signature)).toBeNull();
    expect(solana.chain.account(wallet.address)?.lamports).toBe(10n * sol);
    expect(solana.chain.account(other.address)).toBeUndefined();

    await send(wire);
    solana.chain.advance(3);
    expect(await status(signature)).not.toBeNull();
    solana.chain.fork(solana.chain.tip.height - signedAt, true);
    solana.chain.advance(2);
    expect(await status(signature)).not.toBeNull();
    expect(() => solana.chain.fork(33)).toThrow("finalized");
  });

  test("identical bytes land once, however often and wherever they are sent", async () => {
    const { wire } = await signed(sol);
    const second = createSolanaRpc(solana.rpcUrl("b"));
    for (let time = 0; time < 3; time += 1) {
      await send(wire);
      await second.sendTransaction(wire, { encoding: "base64", skipPreflight: true }).send();
      solana.chain.advance();
    }
    expect(solana.chain.account(other.address)?.lamports).toBe(sol);
  });

  test("endpoints differ: one stands still and calls itself healthy, one lags, one forgets", async () => {
    const [a, b] = [createSolanaRpc(solana.rpcUrl("a")), createSolanaRpc(solana.rpcUrl("b"))];
    solana.endpoint("a").change({ frozen: true });
    const before = await a.getSlot({ commitment: "processed" }).send();
    const { wire, signature } = await signed(sol);
    await b.sendTransaction(wire, { encoding: "base64", skipPreflight: true }).send();
    solana.chain.advance(20);
    expect(await a.getSlot({ commitment: "processed" }).send()).toBe(before);
    expect(await a.getHealth().send()).toBe("ok");
    expect((await a.getBalance(other.address, { commitment: "processed" }).send()).value).toBe(0n);
    expect(await status(signature, a)).toBeNull();
    expect(await status(signature, b)).not.toBeNull();

    solana.endpoint("a").change({ frozen: false, lagBlocks: 10 });
    expect(
      (await b.getBlockHeight({ commitment: "processed" }).send()) - (await a.getBlockHeight({ commitment: "processed" }).send()),
    ).toBe(10n);

    solana.endpoint("b").change({ historyLost: true });
    solana.chain.advance(250);
    expect(await status(signature, b)).toBeNull();
    expect((await status(signature, a))?.confirmationStatus).toBe("finalized");
  });

  test("a lost reply is a taken transaction, a swallowed send is none", async () => {
    const [lost, swallowed] = [await signed(1n * sol), await signed(2n * sol)];
    solana.endpoint("a").change({ loseReplies: 1 });
    await expect(send(lost.wire)).rejects.toThrow();
    solana.endpoint("a").change({ swallowSends: true });
    expect(await send(swallowed.wire)).toBe(swallowed.signature);
    solana.chain.advance(3);
    expect(await status(lost.signature)).not.toBeNull();
    expect(await status(swallowed.signature)).toBeNull();
  });

  test("slots and signatures are told over WebSocket", async () => {
    const subscriptions = createSolanaRpcSubscriptions(solana.rpcUrl("a").replace("http:", "ws:"));
    const ended = new AbortController();
    const slots = await subscriptions.slotNotifications().subscribe({ abortSignal: ended.signal });
    const { wire, signature } = await signed(sol);
    const landed = await subscriptions
      .signatureNotifications(signature, { commitment: "confirmed" })
      .subscribe({ abortSignal: ended.signal });
    await send(wire);
    // The iterators of @solana/kit give what arrives while somebody waits.
    const first = async <T>(messages: AsyncIterable<T>): Promise<T | undefined> => {
      for await (const message of messages) return message;
      return undefined;
    };
    const [told, slot] = [first(landed), first(slots)];
    solana.chain.advance(4);
    expect((await told)?.value).toEqual({ err: null });
    expect((await slot)?.slot).toBeGreaterThan(1_000n);
    ended.abort();
  });

  test("the pool swaps both ways at x · y = k, both legs or none", async () => {
    const quote = async (query: string): Promise<Record<string, string>> =>
      (await (await fetch(`${solana.origin}/swap/v1/quote?${query}`)).json()) as Record<string, string>;
    const wrapped = "So11111111111111111111111111111111111111112";
    const selling = await quote(`inputMint=${wrapped}&outputMint=${solana.usdc.mint}&amount=${sol}&slippageBps=50`);
    // 990 SOL of 1,000 and 100,000 USDC: less than 101 for one.
    expect(Number(selling["outAmount"]) / 1e6).toBeCloseTo(99.65, 1);
    const buying = await quote(`inputMint=${solana.usdc.mint}&outputMint=${wrapped}&amount=${sol}&swapMode=ExactOut`);
    expect(BigInt(buying["inAmount"]!)).toBeGreaterThan(BigInt(selling["outAmount"]!));
    expect(BigInt(buying["otherAmountThreshold"]!)).toBeGreaterThan(BigInt(buying["inAmount"]!));
  });

  test("admin faults work over HTTP, as a process needs them", async () => {
    const admin = (action: string, body: object): Promise<Response> =>
      fetch(`${solana.origin}/admin/${action}`, { method: "POST", body: JSON.stringify(body) });
    const { slot } = solana.chain;
    await admin("advance", { slots: 5 });
    expect(solana.chain.slot).toBe(slot + 5);
    await admin("fund", { address: other.address, lamports: "7", usdc: "9" });
    expect(solana.chain.tokenAccounts(address(other.address))).toHaveLength(1);
    await admin("endpoint", { name: "b", faults: { unavailable: true } });
    await expect(createSolanaRpc(solana.rpcUrl("b")).getSlot().send()).rejects.toThrow("503");
    expect((await admin("nonsense", {})).status).toBe(404);
  });
});
