import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "./testing/manual-clock.ts";
import { TokenVerifier } from "./token-verifier.ts";

const issuer = "https://kubernetes.default.svc";
const audience = "risk.bellwether.dev";
const subject = "system:serviceaccount:bellwether:strat-demo-agent";
const startMs = 1_700_000_000_000;
const nowSeconds = startMs / 1000;

const good = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
const curve = generateKeyPairSync("ec", { namedCurve: "P-256" });

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

interface TokenOptions {
  claims?: object;
  header?: object;
  key?: typeof good.privateKey;
}

function token({ claims = {}, header = {}, key = good.privateKey }: TokenOptions = {}): string {
  const head = encode({ alg: "RS256", kid: "rsa", ...header });
  const payload = encode({ iss: issuer, aud: [audience], sub: subject, exp: nowSeconds + 600, nbf: nowSeconds - 5, ...claims });
  const isCurve = key.asymmetricKeyType === "ec";
  const signature = sign("sha256", Buffer.from(`${head}.${payload}`), isCurve ? { key, dsaEncoding: "ieee-p1363" } : key);
  return `${head}.${payload}.${signature.toString("base64url")}`;
}

const keySet = (...pairs: [string, typeof good.publicKey][]): string =>
  JSON.stringify({ keys: pairs.map(([kid, key]) => ({ ...key.export({ format: "jwk" }), kid, use: "sig" })) });

let directory: string;
let jwksFile: string;
let clock: ManualClock;
let verifier: TokenVerifier;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "bw-jwks-"));
  jwksFile = path.join(directory, "jwks.json");
  writeFileSync(jwksFile, keySet(["rsa", good.publicKey], ["ec", curve.publicKey]));
  clock = new ManualClock(startMs);
  verifier = new TokenVerifier({ jwksFile, issuer, audience, clock });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("TokenVerifier", () => {
  test("lets a token of the cluster for this audience in and names its subject and pod", async () => {
    const claims = { "kubernetes.io": { pod: { uid: "p-1" } } };
    expect(await verifier.verify(token({ claims }))).toEqual({ subject, podUid: "p-1" });
  });

  test("takes ES256 keys, too", async () => {
    const signed = token({ header: { alg: "ES256", kid: "ec" }, key: curve.privateKey });
    expect(await verifier.verify(signed)).toEqual({ subject });
  });

  test.each([
    { when: "it is signed by another key under a known id", given: () => token({ key: other.privateKey }), says: "signature" },
    { when: "its key is unknown", given: () => token({ header: { kid: "new" } }), says: "key set" },
    { when: "it names the algorithm none", given: () => token({ header: { alg: "none" } }), says: "algorithm" },
    { when: "it names a symmetric algorithm", given: () => token({ header: { alg: "HS256" } }), says: "algorithm" },
    { when: "it is for another audience", given: () => token({ claims: { aud: ["broker.bellwether.dev"] } }), says: "audience" },
    { when: "it is from another issuer", given: () => token({ claims: { iss: "https://elsewhere" } }), says: "issuer" },
    { when: "it has expired", given: () => token({ claims: { exp: nowSeconds - 60 } }), says: "expired" },
    { when: "it never expires", given: () => token({ claims: { exp: undefined } }), says: "expired" },
    { when: "it is not valid yet", given: () => token({ claims: { nbf: nowSeconds + 60 } }), says: "not valid yet" },
    { when: "it names nobody", given: () => token({ claims: { sub: "" } }), says: "subject" },
    { when: "it is no token at all", given: () => "hello", says: "not a JSON web token" },
    {
      when: "its payload was changed",
      given: () => token().replace(/\.[^.]+\./, `.${encode({ sub: "system:admin" })}.`),
      says: "signature",
    },
  ])("refuses a token when $when", async ({ given, says }) => {
    await expect(verifier.verify(given())).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      message: expect.stringContaining(says),
    });
  });

  test("refuses a token it once knew after that has expired", async () => {
    const signed = token({ claims: { exp: nowSeconds + 10 } });
    await verifier.verify(signed);
    await clock.advance(20_000);
    await expect(verifier.verify(signed)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  test("follows a rotation of the cluster's keys, and forgets tokens of the old ones", async () => {
    const signed = token();
    await verifier.verify(signed);
    writeFileSync(jwksFile, keySet(["rsa-2", other.publicKey]));
    utimesSync(jwksFile, nowSeconds + 100, nowSeconds + 100);
    await clock.advance(5_000);
    await expect(verifier.verify(signed)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(await verifier.verify(token({ header: { kid: "rsa-2" }, key: other.privateKey }))).toEqual({ subject });
  });

  test("keeps the keys it has while the file is being replaced", async () => {
    await verifier.verify(token());
    rmSync(jwksFile);
    await clock.advance(5_000);
    expect(await verifier.verify(token())).toEqual({ subject });
  });
});
