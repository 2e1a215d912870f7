import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Address, createKeyPairFromPrivateKeyBytes, getAddressFromPublicKey, lamports } from "@solana/kit";
import {
  associatedTokenAddress,
  encodeLookupTable,
  encodeMint,
  encodeTokenAccount,
  lookupTableProgram,
  systemProgram,
  tokenProgram,
} from "./accounts.ts";
import { Chain, type ChainOptions } from "./chain.ts";
import { CutConnection, Endpoint, type EndpointFaults, RpcError } from "./endpoint.ts";
import { stringifyWithBigInts } from "./json.ts";
import { Subscriptions } from "./subscriptions.ts";
import { type SwapFault, SwapMarket, SwapRefusal, type SwapRequest, type Token } from "./swap-market.ts";

export interface StandInOptions extends ChainOptions {
  /** Names of the RPC endpoints; their addresses are `/rpc/<name>`. */
  readonly endpoints?: readonly string[];
  readonly port?: number;
  readonly host?: string;
}

const mostBodyBytes = 1_000_000;
const poolLamports = 1_000_000_000_000n;
const poolUsdc = 100_000_000_000n;
const usdcDecimals = 6;

/**
 * Solana on loopback: one chain over LiteSVM, several JSON-RPC endpoints that may differ, their WebSocket subscriptions, a swap API, and `/admin` for faults.
 *
 *   POST /rpc/<name>            JSON-RPC of an endpoint; the same address takes WebSockets
 *   GET  /swap/v1/quote, POST /swap/v1/swap
 *   GET  /admin                 what is there: genesis hash, slot, height, USDC's mint, pool
 *   POST /admin/advance {slots} · /admin/fund {address, lamports, usdc} · /admin/fork {blocks, keepTransactions} · /admin/hold {until: [n | "last-moment"]}
 *        /admin/censor {on} · /admin/endpoint {name, faults} · /admin/account {address, owner, data: base64} · /admin/swap-fault {faults: []} · /admin/clock {slotMs}
 */
export class SolanaStandIn {
  readonly chain: Chain;
  readonly swaps: SwapMarket;
  readonly usdc: Token;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly #server: Server;
  readonly #subscriptions: Subscriptions;
  #timer: NodeJS.Timeout | undefined;
  #origin = "";

  private constructor(parts: { chain: Chain; swaps: SwapMarket; usdc: Token; endpoints: ReadonlyMap<string, Endpoint> }) {
    this.chain = parts.chain;
    this.swaps = parts.swaps;
    this.usdc = parts.usdc;
    this.endpoints = parts.endpoints;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#subscriptions = new Subscriptions(this.#server, { chain: this.chain, endpoint: (path) => this.#endpointAt(path) });
  }

  static async start(options: StandInOptions): Promise<SolanaStandIn> {
    const chain = new Chain(options);
    const swaps = await SwapMarket.create(chain);
    const usdc = { mint: await addressOf(9), decimals: usdcDecimals };
    const endpoints = new Map((options.endpoints ?? ["a", "b"]).map((name) => [name, new Endpoint(name, chain)]));
    const standIn = new SolanaStandIn({ chain, swaps, usdc, endpoints });
    const mint = encodeMint({ authority: swaps.maker, supply: 10n ** 18n, decimals: usdc.decimals });
    standIn.#put(usdc.mint, { data: mint, programAddress: tokenProgram, amount: chain.minimumBalance(mint.length) });
    await standIn.fund(swaps.maker, { lamports: poolLamports, usdc: poolUsdc });
    standIn.#put(swaps.stranger, { data: new Uint8Array(), programAddress: systemProgram, amount: 1_000_000_000n });
    await new Promise<void>((resolve) => standIn.#server.listen(options.port ?? 0, options.host ?? "127.0.0.1", resolve));
    standIn.#origin = `http://127.0.0.1:${(standIn.#server.address() as AddressInfo).port}`;
    return standIn;
  }

  get origin(): string {
    return this.#origin;
  }

  rpcUrl(name: string): string {
    return `${this.#origin}/rpc/${name}`;
  }

  endpoint(name: string): Endpoint {
    const found = this.endpoints.get(name);
    if (!found) throw new Error(`no endpoint ${name}`);
    return found;
  }

  /** Slots pass by themselves from now on. */
  run(slotMs: number): void {
    clearInterval(this.#timer);
    this.#timer = slotMs > 0 ? setInterval(() => this.chain.advance(), slotMs) : undefined;
  }

  /** Puts money on an address, beside what it has. */
  async fund(address: Address, amounts: { lamports?: bigint; usdc?: bigint }): Promise<void> {
    if (amounts.lamports !== undefined) {
      const had = this.chain.account(address)?.lamports ?? 0n;
      this.#put(address, { data: new Uint8Array(), programAddress: systemProgram, amount: BigInt(had) + amounts.lamports });
    }
    if (amounts.usdc === undefined) return;
    const account = await associatedTokenAddress(address, this.usdc.mint);
    const data = encodeTokenAccount({ mint: this.usdc.mint, owner: address, amount: amounts.usdc });
    this.#put(account, { data, programAddress: tokenProgram, amount: this.chain.minimumBalance(data.length) });
  }

  /** Puts an account of any program on chain: an oracle's price. */
  putAccount(address: Address, { owner, data }: { owner: Address; data: Uint8Array }): void {
    this.#put(address, { data, programAddress: owner, amount: this.chain.minimumBalance(data.length) });
  }

  /** Puts addresses into a lookup table on chain. */
  async lookupTable(entries: readonly Address[]): Promise<Address> {
    const table = await addressOf(10);
    const data = encodeLookupTable(entries);
    this.#put(table, { data, programAddress: lookupTableProgram, amount: this.chain.minimumBalance(data.length) });
    return table;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#subscriptions.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #put(address: Address, account: { data: Uint8Array; programAddress: Address; amount: bigint }): void {
    this.chain.setAccount({
      address,
      data: account.data,
      executable: false,
      lamports: lamports(account.amount),
      programAddress: account.programAddress,
      space: BigInt(account.data.length),
    });
  }

  #endpointAt(path: string): Endpoint | undefined {
    return this.endpoints.get(path.replace(/^\/rpc\//, ""));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://localhost");
    try {
      const body = request.method === "POST" ? await bodyOf(request) : "";
      const endpoint = url.pathname.startsWith("/rpc/") ? this.#endpointAt(url.pathname) : undefined;
      if (endpoint) return await this.#rpc(endpoint, { request, response, body });
      const answer = await this.#route(url, body);
      if (answer === undefined) return send(response, 404, { error: "no such path" });
      send(response, 200, answer);
    } catch (error) {
      if (error instanceof SwapRefusal)
        return send(response, 400, { error: error.message, errorCode: "COULD_NOT_FIND_ANY_ROUTE" });
      send(response, 500, { error: String(error) });
    }
  }

  async #rpc(endpoint: Endpoint, call: { request: IncomingMessage; response: ServerResponse; body: string }): Promise<void> {
    const { request, response } = call;
    const { faults } = endpoint;
    if (faults.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, faults.delayMs));
    if (faults.down) return void request.socket.resetAndDestroy();
    if (faults.unavailable) return send(response, 503, "service unavailable");
    const { id, method, params } = JSON.parse(call.body) as { id: unknown; method: string; params?: readonly unknown[] };
    try {
      send(response, 200, { jsonrpc: "2.0", id, result: await endpoint.call(method, params ?? []) });
    } catch (error) {
      if (error instanceof CutConnection) return void request.socket.resetAndDestroy();
      const { code, message, data } = error instanceof RpcError ? error : new RpcError(-32603, String(error));
      send(response, 200, { jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } });
    }
  }

  async #route(url: URL, body: string): Promise<unknown> {
    switch (url.pathname) {
      case "/swap/v1/quote":
        return this.swaps.quote(url.searchParams);
      case "/swap/v1/swap":
        return this.swaps.swap(JSON.parse(body) as SwapRequest);
      case "/admin":
        return this.#overview();
      default:
        return url.pathname.startsWith("/admin/") ? this.#admin(url.pathname.slice(7), JSON.parse(body) as AdminBody) : undefined;
    }
  }

  #overview(): unknown {
    const { genesisHash, tip, slot, waiting } = this.chain;
    return { genesisHash, slot, height: tip.height, waiting, usdc: this.usdc.mint, maker: this.swaps.maker };
  }

  async #admin(action: string, body: AdminBody): Promise<unknown> {
    switch (action) {
      case "advance":
        this.chain.advance(body.slots ?? 1);
        break;
      case "fund":
        await this.fund(body.address as Address, {
          ...(body.lamports === undefined ? {} : { lamports: BigInt(body.lamports) }),
          ...(body.usdc === undefined ? {} : { usdc: BigInt(body.usdc) }),
        });
        break;
      case "fork":
        return { lost: this.chain.fork(body.blocks ?? 1, body.keepTransactions ?? false) };
      case "hold":
        this.chain.hold(...(body.until ?? []));
        break;
      case "censor":
        this.chain.censoring = body.on ?? true;
        break;
      case "endpoint":
        this.endpoint(body.name ?? "").change(body.faults ?? {});
        break;
      case "account":
        this.putAccount(body.address as Address, { owner: body.owner as Address, data: Buffer.from(body.data ?? "", "base64") });
        break;
      case "swap-fault":
        this.swaps.fault(...(body.swapFaults ?? []));
        break;
      case "clock":
        this.run(body.slotMs ?? 0);
        break;
      default:
        return undefined;
    }
    return this.#overview();
  }
}

interface AdminBody {
  readonly slots?: number;
  readonly address?: string;
  readonly owner?: string;
  readonly data?: string;
  readonly lamports?: string;
  readonly usdc?: string;
  readonly blocks?: number;
  readonly keepTransactions?: boolean;
  readonly until?: readonly ("last-moment" | number)[];
  readonly on?: boolean;
  readonly name?: string;
  readonly faults?: Partial<EndpointFaults>;
  readonly swapFaults?: readonly SwapFault[];
  readonly slotMs?: number;
}

async function addressOf(seed: number): Promise<Address> {
  const keys = await createKeyPairFromPrivateKeyBytes(new Uint8Array(32).fill(seed));
  return getAddressFromPublicKey(keys.publicKey);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > mostBodyBytes) throw new Error("the body is too large");
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(typeof body === "string" ? body : stringifyWithBigInts(body));
}
