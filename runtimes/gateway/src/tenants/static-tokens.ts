import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Caller, CodedError, messageOf } from "@bellwether/service-kit";
import { z } from "zod";
import type { GatewayErrorCode } from "../errors.ts";

const tokensFile = z.record(
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}$/, "must be the name of a tenant"),
  z.string().min(16, "must be a token of at least 16 characters").max(1_000),
);

const digest = (token: string): Buffer => createHash("sha256").update(token).digest();

/**
 * Callers outside a cluster: `{"<tenant>": "<token>", …}` in a file. Stands in for the TokenVerifier where no ServiceAccounts are.
 */
export class StaticTokens {
  readonly #rows: readonly { readonly subject: string; readonly digest: Buffer }[];

  /** @throws CodedError TOKENS_FILE_INVALID, never quoting a token */
  constructor(file: string) {
    this.#rows = Object.entries(readTokens(file)).map(([subject, token]) => ({ subject, digest: digest(token) }));
  }

  /** @throws CodedError UNAUTHENTICATED */
  async verify(token: string): Promise<Caller> {
    const given = digest(token);
    const row = this.#rows.find((candidate) => timingSafeEqual(candidate.digest, given));
    if (row) return { subject: row.subject };
    throw new CodedError("UNAUTHENTICATED", "the token is not in the file of static tokens");
  }
}

function readTokens(file: string): Record<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    // JSON.parse quotes what it read: the text stays here.
    const why = cause instanceof SyntaxError ? "it is not JSON" : messageOf(cause);
    throw new CodedError<GatewayErrorCode>("TOKENS_FILE_INVALID", `${file} cannot be read: ${why}`);
  }
  const parsed = tokensFile.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "(top level)"}: ${issue.message}`);
  throw new CodedError<GatewayErrorCode>("TOKENS_FILE_INVALID", `${file}: ${faults.join("; ")}`, { context: { faults } });
}
