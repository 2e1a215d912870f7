import { type JsonWebKey, type KeyObject, createPublicKey, verify as verifySignature } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import type { Clock } from "./clock.ts";
import { CodedError, messageOf } from "./coded-error.ts";
import type { ServiceKitErrorCode } from "./errors.ts";

export interface Caller {
  /** `system:serviceaccount:<namespace>:<name>` */
  readonly subject: string;
  readonly podUid?: string;
}

export interface TokenVerifierOptions {
  /** The cluster's signing keys (RFC 7517), written by the operator; read again when the file changes. */
  readonly jwksFile: string;
  readonly issuer: string;
  readonly audience: string;
  readonly clock: Clock;
}

interface SigningKey {
  readonly key: KeyObject;
  readonly algorithm: "RS256" | "ES256";
}

/** Clocks of one machine agree; this covers a node a little ahead of the API server. */
const leewayMs = 5_000;
const rereadAfterMs = 2_000;
const longestTokenLength = 16_384;
const cacheLimit = 1_000;

/** Verifies projected ServiceAccount tokens (RFC 7519) without asking anybody: signature, issuer, audience, validity. */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  #keys = new Map<string, SigningKey>();
  #keysStamp = "";
  #keysCheckedMs = Number.NEGATIVE_INFINITY;
  /** Verified tokens until they expire: an agent sends the same one with each request for most of an hour. */
  readonly #verified = new Map<string, { caller: Caller; expiresMs: number; keysStamp: string }>();

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
  }

  /** @throws CodedError UNAUTHENTICATED saying what is wrong, never quoting the token */
  async verify(token: string): Promise<Caller> {
    await this.#refreshKeys();
    const nowMs = this.#options.clock.nowMs();
    const known = this.#verified.get(token);
    if (known && known.keysStamp === this.#keysStamp && known.expiresMs > nowMs) return known.caller;

    const claims = this.#verifiedClaims(token);
    const { caller, expiresMs } = this.#callerOf(claims, nowMs);
    if (this.#verified.size >= cacheLimit) this.#verified.clear();
    this.#verified.set(token, { caller, expiresMs, keysStamp: this.#keysStamp });
    return caller;
  }

  #verifiedClaims(token: string): Record<string, unknown> {
    const parts = token.length <= longestTokenLength ? token.split(".") : [];
    const [head, payload, signature] = parts;
    if (parts.length !== 3 || !head || !payload || !signature) throw refused("the token is not a JSON web token");
    const header = parsePart(head);
    const signing = typeof header["kid"] === "string" ? this.#keys.get(header["kid"]) : undefined;
    if (!signing) throw refused("the token is signed by a key that is not in the cluster's key set");
    // The algorithm is the key's, never the token's own choice.
    if (header["alg"] !== signing.algorithm) throw refused("the token names another algorithm than its key's");
    const key = signing.algorithm === "ES256" ? { key: signing.key, dsaEncoding: "ieee-p1363" as const } : signing.key;
    const valid = verifySignature("sha256", Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, "base64url"));
    if (!valid) throw refused("the token's signature is wrong");
    return parsePart(payload);
  }

  #callerOf(claims: Record<string, unknown>, nowMs: number): { caller: Caller; expiresMs: number } {
    const { issuer, audience } = this.#options;
    if (claims["iss"] !== issuer) throw refused("the token is from another issuer", { issuer });
    const audiences = Array.isArray(claims["aud"]) ? claims["aud"] : [claims["aud"]];
    if (!audiences.includes(audience)) throw refused(`the token is not for the audience ${audience}`, { audience });
    const expiresMs = numberOf(claims["exp"]) * 1000;
    if (!(expiresMs > nowMs - leewayMs)) throw refused("the token has expired");
    if (claims["nbf"] !== undefined && !(numberOf(claims["nbf"]) * 1000 <= nowMs + leewayMs))
      throw refused("the token is not valid yet");
    const subject = claims["sub"];
    if (typeof subject !== "string" || subject === "") throw refused("the token names no subject");
    const pod = (claims["kubernetes.io"] as { pod?: { uid?: unknown } } | undefined)?.pod;
    const caller: Caller = typeof pod?.uid === "string" ? { subject, podUid: pod.uid } : { subject };
    return { caller, expiresMs };
  }

  async #refreshKeys(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#keysCheckedMs < rereadAfterMs) return;
    try {
      const { mtimeMs, size, ino } = await stat(this.#options.jwksFile);
      const stamp = `${mtimeMs}/${size}/${ino}`;
      if (stamp !== this.#keysStamp) {
        this.#keys = parseKeySet(await readFile(this.#options.jwksFile, "utf8"));
        this.#keysStamp = stamp;
        this.#verified.clear();
      }
      this.#keysCheckedMs = nowMs;
    } catch (cause) {
      if (this.#keys.size > 0) return; // A ConfigMap being swapped: the keys in hand are good.
      throw refused(`the cluster's key set cannot be read: ${messageOf(cause)}`, {}, cause);
    }
  }
}

function refused(message: string, context: Record<string, unknown> = {}, cause?: unknown): CodedError<ServiceKitErrorCode> {
  return new CodedError<ServiceKitErrorCode>("UNAUTHENTICATED", message, { context, cause });
}

function parsePart(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw refused("a part of the token is not JSON", {}, cause);
  }
  throw refused("a part of the token is not an object");
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : Number.NaN;
}

function parseKeySet(text: string): Map<string, SigningKey> {
  const set = JSON.parse(text) as { keys?: JsonWebKey[] };
  const keys = new Map<string, SigningKey>();
  for (const jwk of set.keys ?? []) {
    const kid = jwk["kid"];
    if (typeof kid !== "string") continue;
    if (jwk.kty === "RSA") keys.set(kid, { key: createPublicKey({ key: jwk, format: "jwk" }), algorithm: "RS256" });
    if (jwk.kty === "EC" && jwk.crv === "P-256")
      keys.set(kid, { key: createPublicKey({ key: jwk, format: "jwk" }), algorithm: "ES256" });
  }
  return keys;
}
