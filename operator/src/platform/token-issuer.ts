/** Who signs ServiceAccount tokens, and with which keys: what every service of ours verifies its callers with. */
import type { KubernetesClient } from "@bellwether/kubernetes";
import { type Clock, type Logger, messageOf } from "@bellwether/service-kit";
import { OperatorError } from "../errors.ts";

export interface TokenIssuer {
  readonly issuer: string;
  /** RFC 7517, as the API server hands it out. */
  readonly jwks: string;
}

export interface TokenIssuerOptions {
  readonly client: Pick<KubernetesClient, "raw">;
  /** From the configuration; absent: asked. */
  readonly issuer: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly refreshMs?: number;
}

const defaultRefreshMs = 300_000;

/** Reads issuer and keys at start and again every few minutes: keys rotate. */
export class TokenIssuerReader {
  readonly #options: TokenIssuerOptions;
  #current: TokenIssuer | undefined;

  constructor(options: TokenIssuerOptions) {
    this.#options = options;
  }

  get current(): TokenIssuer | undefined {
    return this.#current;
  }

  /** @throws OperatorError TOKEN_ISSUER_UNREADABLE */
  async read(): Promise<TokenIssuer> {
    const { client } = this.#options;
    const issuer = this.#options.issuer ?? (await this.#issuer());
    const keys = await client.raw("/openid/v1/jwks");
    if (keys.status !== 200) throw unreadable(`/openid/v1/jwks answered ${keys.status}`);
    // Rewritten with a stable layout, so that the same keys give the same ConfigMap.
    this.#current = { issuer, jwks: `${JSON.stringify(parsed("/openid/v1/jwks", keys.text))}\n` };
    return this.#current;
  }

  /** Until `signal` aborts; `onChange` when the keys or the issuer have changed. */
  async run(onChange: () => void, signal: AbortSignal): Promise<void> {
    const { clock, log, refreshMs = defaultRefreshMs } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(refreshMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const before = this.#current;
      try {
        const { issuer, jwks } = await this.read();
        if (issuer !== before?.issuer || jwks !== before.jwks) onChange();
      } catch (error) {
        log.warn({ err: error }, "the signing keys of the cluster cannot be read again; those in hand stay in use");
      }
    }
  }

  async #issuer(): Promise<string> {
    const path = "/.well-known/openid-configuration";
    const reply = await this.#options.client.raw(path);
    if (reply.status !== 200) throw unreadable(`${path} answered ${reply.status}`);
    const { issuer } = parsed(path, reply.text) as { issuer?: unknown };
    if (typeof issuer !== "string" || issuer === "") throw unreadable(`${path} names no issuer`);
    return issuer;
  }
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable(`${path} is not JSON: ${messageOf(cause)}`, cause);
  }
}

function unreadable(message: string, cause?: unknown): OperatorError {
  return new OperatorError("TOKEN_ISSUER_UNREADABLE", message, { cause });
}
