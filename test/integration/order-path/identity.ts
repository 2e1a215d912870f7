import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const issuer = "https://kubernetes.default.svc.cluster.local";

/** Plays the cluster's token issuer: a key set file, and projected tokens in files as the kubelet writes them. */
export class TestIdentity {
  readonly jwksFile: string;
  readonly #directory: string;
  readonly #privateKeyPem: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#privateKeyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    this.jwksFile = join(directory, "jwks.json");
    writeFileSync(
      this.jwksFile,
      JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "test", alg: "ES256", use: "sig" }] }),
    );
  }

  token(subject: string, audience: string): string {
    const nowSeconds = Math.floor(Date.now() / 1000);
    const claims = { iss: issuer, aud: [audience], sub: subject, exp: nowSeconds + 3_600, nbf: nowSeconds - 5 };
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const head = `${part({ alg: "ES256", kid: "test" })}.${part(claims)}`;
    const key = createPrivateKey(this.#privateKeyPem);
    return `${head}.${sign("sha256", Buffer.from(head), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  }

  tokenFile(subject: string, audience: string): string {
    const file = join(this.#directory, `${subject.replaceAll(/[^a-z0-9]+/g, "-")}.${audience}.token`);
    writeFileSync(file, this.token(subject, audience));
    return file;
  }
}
