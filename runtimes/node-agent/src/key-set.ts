import { readFile, rename, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { CodedError, messageOf } from "@bellwether/service-kit";
import type { NodeAgentErrorCode } from "./errors.ts";

/** How the API server is reached with the pod's own token. */
export interface ApiServerAccess {
  readonly url: string;
  readonly tokenFile: string;
  readonly caFile: string;
  readonly timeoutMs: number;
}

const longestReplyBytes = 1_048_576;

/**
 * Reads the cluster's issuer and signing keys (OpenID discovery, which every ServiceAccount may read) and puts the keys where the token
 * verifier looks for them, by rename: it never sees half a file.
 *
 * @returns the issuer
 * @throws CodedError KEY_SET_UNREADABLE
 */
export async function refreshKeySet(access: ApiServerAccess, jwksFile: string): Promise<string> {
  try {
    const discovery = JSON.parse(await read(access, "/.well-known/openid-configuration")) as { issuer?: unknown };
    if (typeof discovery.issuer !== "string") throw new TypeError("the discovery document names no issuer");
    const keys = await read(access, "/openid/v1/jwks");
    await writeFile(`${jwksFile}.new`, keys, { mode: 0o600 });
    await rename(`${jwksFile}.new`, jwksFile);
    return discovery.issuer;
  } catch (cause) {
    throw new CodedError<NodeAgentErrorCode>("KEY_SET_UNREADABLE", `${access.url}: ${messageOf(cause)}`, { cause });
  }
}

async function read(access: ApiServerAccess, path: string): Promise<string> {
  const [ca, token] = await Promise.all([readFile(access.caFile), readFile(access.tokenFile, "utf8")]);
  const headers = { authorization: `Bearer ${token.trim()}`, accept: "application/json, application/jwk-set+json" };
  return new Promise((resolve, reject) => {
    const request = get(new URL(path, access.url), { ca, headers, timeout: access.timeoutMs }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > longestReplyBytes) request.destroy(new RangeError(`${path} answered more than ${longestReplyBytes} bytes`));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString("utf8"));
        else reject(new Error(`${path} answered ${response.statusCode ?? "nothing"}`));
      });
    });
    request.on("timeout", () => request.destroy(new Error(`${path} did not answer within ${access.timeoutMs} ms`)));
    request.on("error", reject);
  });
}
