import { assert, property, uint8Array } from "fast-check";
import { CodedError } from "@bellwether/service-kit";
import { describe, expect, test } from "vitest";
import { instructions, maker, proposal, router, stranger, table, tableData, wallet } from "../../testing/solana-proposals.ts";
import { decodeInstruction } from "./decode-instruction.ts";
import { decodeTransaction, lookupTableAddresses, lookupTablesOf } from "./decode-transaction.ts";

describe("a proposed transaction", () => {
  test("is read to the last account", () => {
    const decoded = decodeTransaction(proposal([instructions.limit(9_000), instructions.sol(wallet, maker, 5n)]), new Map());
    expect(decoded).toMatchObject({ feePayer: wallet, signature: undefined, unsigned: [wallet], signers: [wallet] });
    expect(decoded.instructions.map(decodeInstruction)).toEqual([
      { kind: "ComputeUnitLimit", units: 9_000 },
      { kind: "TransferSol", from: wallet, to: maker, lamports: 5n },
    ]);
  });

  test("shows accounts that a lookup table brings in, where the table puts them", () => {
    const bytes = proposal([instructions.call(router, [stranger, maker])], { tables: { [table]: [router, stranger, maker] } });
    expect(lookupTablesOf(bytes)).toEqual([table]);
    const tables = new Map([[table, lookupTableAddresses(tableData([router, stranger, maker]))]]);
    const [call] = decodeTransaction(bytes, tables).instructions;
    expect(call?.accounts).toEqual([
      { address: stranger, signer: false, writable: true, table },
      { address: maker, signer: false, writable: true, table },
    ]);
  });

  test("shows whom a table that has been changed pays, not whom it was meant to", () => {
    const bytes = proposal([instructions.sol(wallet, maker, 5n)], { tables: { [table]: [maker] } });
    const [transfer] = decodeTransaction(bytes, new Map([[table, [stranger]]])).instructions;
    expect(transfer && decodeInstruction(transfer)).toMatchObject({ kind: "TransferSol", to: stranger });
  });

  test.each([
    { what: "a table that is not there", tables: new Map() },
    { what: "an entry that the table has not", tables: new Map([[table, []]]) },
  ])("with $what is refused", ({ tables }) => {
    const bytes = proposal([instructions.sol(wallet, maker, 5n)], { tables: { [table]: [maker] } });
    expect(() => decodeTransaction(bytes, tables)).toThrow(expect.objectContaining({ code: "TRANSACTION_REFUSED" }) as Error);
  });

  test("is refused or read, whatever the bytes", () => {
    const valid = proposal([instructions.limit(9_000), instructions.sol(wallet, maker, 5n)]);
    assert(
      property(uint8Array({ maxLength: 400 }), uint8Array({ minLength: 1, maxLength: 8 }), (random, patch) => {
        const patched = Uint8Array.from(valid);
        patched.set(patch, Math.min(valid.length - patch.length, (patch[0] ?? 0) + 60));
        for (const bytes of [random, patched]) {
          try {
            decodeTransaction(bytes, new Map()).instructions.map(decodeInstruction);
          } catch (error) {
            expect(error).toBeInstanceOf(CodedError);
          }
        }
      }),
    );
  });
});
