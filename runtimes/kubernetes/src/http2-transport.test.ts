import { once } from "node:events";
import { type Http2Server, type ServerHttp2Session, type ServerHttp2Stream, createServer } from "node:http2";
import { type Server, type Socket, connect as tcpConnect, createServer as createTcpServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "@bellwether/service-kit/clock";
import type { ClusterAccess } from "./cluster-access.ts";
import { isKubernetesError } from "./errors.ts";
import { Http2Transport } from "./http2-transport.ts";

/** A TCP proxy that can freeze: bytes stop, the connections stay open. */
interface Proxy {
  readonly port: number;
  /** Connections made through it so far. */
  dials: number;
  freeze(): void;
  /** RST. */
  cut(): void;
  /** FIN. */
  end(): void;
  close(): void;
}

let server: Http2Server;
let proxy: Proxy;
let transport: Http2Transport;
let sessions: ServerHttp2Session[];
let streams: ServerHttp2Stream[];

async function startProxy(target: number): Promise<Proxy> {
  const live = new Set<Socket>();
  const listener: Server = createTcpServer((inward) => {
    self.dials++;
    const outward = tcpConnect({ host: "127.0.0.1", port: target });
    for (const socket of [inward, outward]) {
      live.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => live.delete(socket));
    }
    inward.pipe(outward);
    outward.pipe(inward);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const self: Proxy = {
    port: (listener.address() as AddressInfo).port,
    dials: 0,
    freeze: () => live.forEach((socket) => socket.unpipe().pause()),
    end: () => live.forEach((socket) => socket.end()),
    cut: () => live.forEach((socket) => socket.resetAndDestroy()),
    close: () => {
      listener.close();
      live.forEach((socket) => socket.destroy());
    },
  };
  return self;
}

/** Paths: /ok answers, /slow never does, /stream sends a line and stays open; /big sends 3 MiB. */
function serve(stream: ServerHttp2Stream, path: string | undefined): void {
  streams.push(stream);
  stream.on("error", () => undefined);
  if (path === "/slow") return;
  if (path === "/throttled") {
    stream.respond({ ":status": 429, "retry-after": "7" });
    stream.end("later");
    return;
  }
  stream.respond({ ":status": 200 });
  if (path === "/stream") stream.write("line\n");
  else if (path === "/big") stream.end(Buffer.alloc(3 * 1024 * 1024));
  else stream.end("ok");
}

beforeEach(async () => {
  sessions = [];
  streams = [];
  server = createServer();
  server.on("session", (session) => {
    sessions.push(session);
    session.on("error", () => undefined);
  });
  server.on("stream", (stream, headers) => serve(stream, headers[":path"]));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy = await startProxy((server.address() as AddressInfo).port);
  transport = transportTo(proxy.port);
});

afterEach(async () => {
  await transport.close();
  proxy.close();
  for (const session of sessions) session.destroy();
  server.close();
});

function transportTo(port: number): Http2Transport {
  const access: ClusterAccess = {
    server: new URL(`http://127.0.0.1:${port}`),
    namespace: "default",
    tls: async () => ({}),
    authorization: async () => "Bearer test",
    forget: () => undefined,
  };
  return new Http2Transport({
    access,
    clock: systemClock,
    heartbeat: { intervalMs: 50, timeoutMs: 100 },
    connectTimeoutMs: 2000,
  });
}

const get = (path: string, timeoutMs = 10_000) => transport.exchange({ method: "GET", path }, { timeoutMs });

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "none",
    (error: unknown) => (isKubernetesError(error) ? error.code : String(error)),
  );
}

interface OpenStream {
  readonly end: Promise<string>;
  readonly lines: string[];
  readonly stop: AbortController;
}

async function openStream(): Promise<OpenStream> {
  const lines: string[] = [];
  const stop = new AbortController();
  const first = Promise.withResolvers<void>();
  const handlers = {
    onOpen: () => undefined,
    onData: (chunk: Buffer) => {
      lines.push(chunk.toString());
      first.resolve();
    },
  };
  const end = codeOf(transport.stream({ method: "GET", path: "/stream" }, handlers, stop.signal));
  await first.promise;
  return { end, lines, stop };
}

describe("the HTTP/2 transport", () => {
  test("carries requests and streams over one connection", async () => {
    const watch = await openStream();
    const answers = await Promise.all([get("/ok"), get("/ok"), get("/big")]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(answers[2]?.text).toHaveLength(3 * 1024 * 1024);
    expect(proxy.dials).toBe(1);
    watch.stop.abort(new Error("enough"));
    expect(await watch.end).toBe("Error: enough");
  });

  test("sees a cut at once and dials anew", async () => {
    const watch = await openStream();
    proxy.cut();
    expect(await watch.end).toBe("UNREACHABLE");
    expect((await get("/ok")).text).toBe("ok");
    expect(proxy.dials).toBe(2);
  });

  test("takes a connection that the server closed in mid-stream for a broken one", async () => {
    const watch = await openStream();
    proxy.end();
    expect(await watch.end).toBe("UNREACHABLE");
  });

  test("gives a frozen connection up by its heartbeat: watch and requests fail, and go on over a new one", async () => {
    const watch = await openStream();
    const request = codeOf(get("/slow"));
    proxy.freeze();
    expect(await watch.end).toBe("CONNECTION_FROZEN");
    expect(await request).toBe("CONNECTION_FROZEN");
    expect((await get("/ok")).text).toBe("ok");
  });

  test("keeps a quiet connection as long as its heartbeats are answered", async () => {
    const watch = await openStream();
    // Ten heartbeats must pass; each is seen by the server as a ping.
    for (let pings = 0; pings < 10; pings++) await once(sessions[0]!, "ping");
    streams[0]!.write("still here\n");
    streams[0]!.end();
    expect(await watch.end).toBe("none");
    expect(proxy.dials).toBe(1);
  });

  test("lets a stream end as the server says, and takes a reset stream for a broken one", async () => {
    const whole = await openStream();
    streams[0]!.end();
    expect(await whole.end).toBe("none");
    const reset = await openStream();
    streams[1]!.destroy(new Error("fault of the server"));
    expect(await reset.end).toBe("UNREACHABLE");
    expect(proxy.dials).toBe(1);
  });

  test("moves new requests to a new connection after GOAWAY while running streams finish", async () => {
    const watch = await openStream();
    sessions[0]!.goaway(0);
    await expect.poll(async () => ((await codeOf(get("/ok"))) === "none" ? proxy.dials : 0)).toBe(2);
    streams[0]!.write("more\n");
    streams[0]!.end();
    expect(await watch.end).toBe("none");
    expect(watch.lines.join("")).toBe("line\nmore\n");
  });

  test("ends a request that takes too long, and only that", async () => {
    const watch = await openStream();
    expect(await codeOf(get("/slow", 30))).toBe("TIMEOUT");
    expect((await get("/ok")).text).toBe("ok");
    expect(proxy.dials).toBe(1);
    watch.stop.abort(new Error("enough"));
    await watch.end;
  });

  test("reads Retry-After", async () => {
    expect(await get("/throttled")).toEqual({ status: 429, retryAfterMs: 7000, text: "later" });
  });

  test("fails everything in flight when it is closed, and what comes after", async () => {
    const watch = await openStream();
    await transport.close();
    expect(await watch.end).toBe("CLOSED");
    expect(await codeOf(get("/ok"))).toBe("CLOSED");
  });

  test("says so when nobody listens or the other side speaks no HTTP/2", async () => {
    const deaf = createTcpServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    deaf.listen(0, "127.0.0.1");
    await once(deaf, "listening");
    const { port } = deaf.address() as AddressInfo;
    const other = transportTo(port);
    expect(await codeOf(other.exchange({ method: "GET", path: "/" }, { timeoutMs: 5000 }))).toBe("UNREACHABLE");
    deaf.close();
    expect(await codeOf(other.exchange({ method: "GET", path: "/" }, { timeoutMs: 5000 }))).toBe("UNREACHABLE");
    await other.close();
  });
});
