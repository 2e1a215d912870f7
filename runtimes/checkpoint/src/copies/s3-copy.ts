import { createHash } from "node:crypto";
import { AwsV4Signer } from "aws4fetch";
import type { Clock } from "@bellwether/service-kit/clock";
import { hasCode } from "@bellwether/service-kit/coded-error";
import { type CheckpointErrorCode, checkpointError } from "../errors.ts";
import { type Copy, type CopyIdentity, type StoredObject, largestObjectBytes } from "./copy.ts";
import { failureDomainOf } from "./redundancy.ts";
import { type S3Refusal, type S3Request, refusedByS3, unansweredByS3 } from "./s3-faults.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface S3CopyOptions {
  readonly name: string;
  /** `https://s3.example.com`; buckets are addressed by path. */
  readonly endpoint: string;
  readonly bucket: string;
  /** Before every key, without a slash at its end; may be empty. */
  readonly prefix: string;
  readonly region: string;
  /** Asked for each request: a rotated Secret is taken without a restart. @throws CodedError COPY_CREDENTIALS_MISSING */
  readonly credentials: () => S3Credentials;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}

/** A chunk of 4 MiB over a slow line: 70 kB/s. */
const timeoutMs = 60_000;
const attempts = 3;
const firstPauseMs = 250;
const pageSize = 1_000;
const missing = 404;

interface Asked extends S3Request {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

interface Answered {
  readonly status: number;
  readonly body: Buffer;
}

/** Objects in a bucket of any server that speaks S3. Nothing needs to be appended or listed in order, so that the oldest servers will do. */
export class S3Copy implements Copy {
  readonly name: string;
  readonly #options: S3CopyOptions;
  readonly #prefix: string;

  constructor(options: S3CopyOptions) {
    this.name = options.name;
    this.#options = options;
    this.#prefix = options.prefix === "" ? "" : `${options.prefix.replace(/\/+$/, "")}/`;
  }

  async put(key: string, bytes: Buffer, { ifAbsent }: { readonly ifAbsent: boolean }): Promise<boolean> {
    const headers = ifAbsent ? { "if-none-match": "*" } : {};
    // 409: another conditional put of this key was under way.
    const good = ifAbsent ? [200, 409, 412] : [200];
    const { status } = await this.#ask({ copy: this.name, method: "PUT", key, headers, body: bytes }, good);
    return status === 200;
  }

  async get(key: string): Promise<Buffer | undefined> {
    const { status, body } = await this.#ask({ copy: this.name, method: "GET", key }, [200, missing]);
    return status === 200 ? body : undefined;
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    let token: string | undefined;
    do {
      const query = {
        "list-type": "2",
        "max-keys": String(pageSize),
        prefix: `${this.#prefix}${prefix}`,
        ...(token !== undefined && { "continuation-token": token }),
      };
      const { body } = await this.#ask({ copy: this.name, method: "GET", key: "", query }, [200]);
      const page = parsePage(this.name, body.toString("utf8"));
      for (const object of page.objects) yield { ...object, key: object.key.slice(this.#prefix.length) };
      token = page.next;
    } while (token !== undefined);
  }

  async delete(key: string): Promise<void> {
    await this.#ask({ copy: this.name, method: "DELETE", key }, [200, 204, missing]);
  }

  async identity(): Promise<CopyIdentity> {
    const query = { "list-type": "2", "max-keys": "1", prefix: this.#prefix };
    await this.#ask({ copy: this.name, method: "GET", key: "", query }, [200]);
    return { kind: "s3", failureDomain: failureDomainOf(new URL(this.#options.endpoint).hostname) };
  }

  /** A server keeps nothing of a PUT that did not end. */
  async sweep(): Promise<number> {
    return Promise.resolve(0);
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }

  /** @throws CodedError of the registry; what says "not now" is asked again a few times before */
  async #ask(asked: Asked, good: readonly number[]): Promise<Answered> {
    const unreachable: CheckpointErrorCode = "COPY_UNREACHABLE";
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#askOnce(asked, good);
      } catch (error) {
        if (attempt === attempts || !hasCode(error, unreachable)) throw error;
        await this.#options.clock.sleep(firstPauseMs * 4 ** (attempt - 1));
      }
    }
  }

  async #askOnce(asked: Asked, good: readonly number[]): Promise<Answered> {
    const answered = await this.#exchange(asked);
    const isObject = asked.key !== "" && answered.status < 300;
    const refusal = isObject ? undefined : parseRefusal(answered);
    // A server may say 404 of a bucket or of who asks as well: only this code is a missing object.
    const isGood = answered.status !== missing || refusal?.code === "NoSuchKey";
    if (good.includes(answered.status) && isGood) return answered;
    throw refusedByS3(asked, refusal ?? { status: answered.status, code: "", message: "" });
  }

  async #exchange(asked: Asked): Promise<Answered> {
    const { url, headers } = await this.#sign(asked);
    const { fetch, clock } = this.#options;
    const abort = new AbortController();
    const cancel = clock.setTimeout(() => abort.abort(new Error(`no answer within ${timeoutMs / 1_000} s`)), timeoutMs);
    try {
      const { method, body = null } = asked;
      const response = await fetch(url, {
        method,
        headers,
        body: body && new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.length),
        redirect: "manual",
        signal: abort.signal,
      });
      return { status: response.status, body: await this.#bodyOf(response, asked) };
    } catch (error) {
      throw hasCode(error) ? error : unansweredByS3(asked, error);
    } finally {
      cancel();
    }
  }

  async #bodyOf(response: Response, { key }: Asked): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of response.body ?? []) {
      bytes += piece.length;
      if (bytes > largestObjectBytes) {
        const message = `${key || "a listing"} on ${this.name} has more than ${largestObjectBytes} bytes`;
        throw checkpointError("OBJECT_TOO_LARGE", message, { context: { copy: this.name, key } });
      }
      pieces.push(piece);
    }
    return Buffer.concat(pieces, bytes);
  }

  async #sign({ method, key, query = {}, headers = {}, body }: Asked): Promise<{ url: URL; headers: Headers }> {
    const { endpoint, bucket, region, credentials, clock } = this.#options;
    const path = key === "" ? "" : `/${`${this.#prefix}${key}`.split("/").map(encodeURIComponent).join("/")}`;
    const url = new URL(`${endpoint.replace(/\/+$/, "")}/${bucket}${path}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      // Signed, so that a server that checks it finds what the way has changed.
      headers: {
        ...headers,
        "x-amz-content-sha256": createHash("sha256")
          .update(body ?? "")
          .digest("hex"),
      },
      ...credentials(),
      service: "s3",
      region,
      datetime: new Date(clock.nowMs()).toISOString().replaceAll(/[:-]|\.\d{3}/g, ""),
    });
    return signer.sign();
  }
}

interface Page {
  readonly objects: readonly StoredObject[];
  readonly next: string | undefined;
}

/** The answer to ListObjectsV2: flat XML of known elements. @throws CodedError COPY_REPLY_INVALID */
export function parsePage(copy: string, xml: string): Page {
  if (!/<ListBucketResult[\s>]/.test(xml)) throw checkpointError("COPY_REPLY_INVALID", `${copy} does not list as S3 does`);
  const objects = [...xml.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)].map(([, contents = ""]) => {
    const [key, bytes, modified] = ["Key", "Size", "LastModified"].map((name) => element(contents, name));
    const object = { key: key ?? "", bytes: Number(bytes), modifiedMs: Date.parse(modified ?? "") };
    if (object.key !== "" && Number.isFinite(object.bytes) && Number.isFinite(object.modifiedMs)) return object;
    throw checkpointError("COPY_REPLY_INVALID", `${copy} lists an object without key, size or time`);
  });
  const truncated = element(xml, "IsTruncated") === "true";
  return { objects, next: truncated ? element(xml, "NextContinuationToken") : undefined };
}

function parseRefusal({ status, body }: Answered): S3Refusal {
  const xml = body.subarray(0, 10_000).toString("utf8");
  return { status, code: element(xml, "Code") ?? "", message: element(xml, "Message") ?? "" };
}

function element(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text?.replaceAll(/&(#x[0-9a-f]+|#\d+|amp|lt|gt|quot|apos);/gi, (_, entity: string) => characterOf(entity));
}

const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function characterOf(entity: string): string {
  if (!entity.startsWith("#")) return named[entity.toLowerCase()] ?? "";
  const code = /^#x/i.test(entity) ? Number.parseInt(entity.slice(2), 16) : Number.parseInt(entity.slice(1), 10);
  return code <= 0x10ffff ? String.fromCodePoint(code) : "";
}
