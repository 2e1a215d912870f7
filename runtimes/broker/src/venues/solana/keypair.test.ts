import { generateKeyPairSync } from "node:crypto";
import { CodedError } from "@bellwether/service-kit";
import { describe, expect, test } from "vitest";
import { parseKeypair } from "./keypair.ts";

function keypair(): number[] {
  const pair = generateKeyPairSync("ed25519");
  const secret = pair.privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32);
  return [...secret, ...pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32)];
}

describe("a keypair file", () => {
  test("as solana-keygen writes it is a wallet, with or without a line feed", async () => {
    const bytes = keypair();
    const wallet = await parseKeypair(`${JSON.stringify(bytes)}\n`);
    expect(wallet.address).toMatch(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/);
  });

  const secret = "4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d";
  const canary = [201, 202, 203, 204, 205, 206, 207, 208];
  test.each([
    { what: "nothing", text: "  \n", says: "it is empty" },
    { what: "a hex key", text: secret, says: "not JSON" },
    { what: "a JSON string", text: JSON.stringify(secret), says: "a JSON string" },
    { what: "an object", text: JSON.stringify({ privateKey: secret }), says: "a JSON object" },
    { what: "null", text: "null", says: "a JSON null" },
    { what: "32 numbers", text: JSON.stringify([...canary, ...Array<number>(24).fill(1)]), says: "it has 32 numbers" },
    { what: "a number too large", text: JSON.stringify([...canary, 256, ...Array<number>(55).fill(1)]), says: "entry 8" },
    { what: "a text among numbers", text: JSON.stringify([...canary, "210", ...Array<number>(55).fill(1)]), says: "entry 8" },
    {
      what: "two halves that do not belong together",
      text: JSON.stringify([...keypair().slice(0, 32), ...keypair().slice(32)]),
      says: "not the public key",
    },
    { what: "far too much", text: "1".repeat(5_000), says: "it has 5000 characters" },
  ])("that is $what is refused, and the message says why and shows none of it", async ({ text, says }) => {
    const error = await parseKeypair(text).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CodedError);
    const { code, message, cause } = error as CodedError;
    expect(code).toBe("KEYPAIR_INVALID");
    expect(message).toContain(says);
    expect(cause).toBeUndefined();
    for (const told of [secret.slice(0, 8), "201", "202"]) expect(message).not.toContain(told);
  });
});
