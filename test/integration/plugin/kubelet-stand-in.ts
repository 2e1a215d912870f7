import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { type WebSocket, WebSocketServer } from "ws";

const run = promisify(execFile);
const protocol = "v4.channel.k8s.io";
const streams = { data: 0, error: 1 } as const;

/**
 * The part of a kubelet that answers a port-forward of the API server: WebSocket frames whose first byte is the stream, two bytes with the port at the
 * beginning of each stream (kubernetes, pkg/kubelet/cri streaming/portforward/websocket.go). Pods are ports on loopback.
 */
export class KubeletStandIn {
  /** Where the port of a pod really is; a pod that is missing here refuses its connections. */
  readonly pods = new Map<string, number>();
  /** `<namespace>/<pod>` of every forward asked for. */
  readonly forwards: string[] = [];
  readonly #directory: string;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;

  private constructor(directory: string, certificate: { key: string; cert: string }) {
    this.#directory = directory;
    this.#server = createServer(certificate);
    const handleProtocols = (offered: Set<string>): string | false => (offered.has(protocol) ? protocol : false);
    this.#sockets = new WebSocketServer({ server: this.#server, handleProtocols });
    this.#sockets.on("connection", (socket, request) => this.#forward(socket, new URL(request.url ?? "/", "https://kubelet")));
  }

  static async start(): Promise<KubeletStandIn> {
    const directory = mkdtempSync(path.join(tmpdir(), "bw-kubelet-"));
    const kubelet = new KubeletStandIn(directory, await certificateIn(directory));
    await new Promise<void>((resolve) => kubelet.#server.listen(0, "127.0.0.1", resolve));
    return kubelet;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate();
    this.#sockets.close();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #forward(socket: WebSocket, url: URL): void {
    const [, , namespace, pod] = url.pathname.split("/");
    const port = Number(url.searchParams.get("port"));
    this.forwards.push(`${namespace}/${pod}`);
    const header = Buffer.alloc(2);
    header.writeUInt16LE(port);
    const send = (stream: number, data: Buffer): void => socket.send(Buffer.concat([Buffer.from([stream]), data]));
    for (const stream of Object.values(streams)) send(stream, header);
    const target = this.pods.get(`${namespace}/${pod}`);
    if (target === undefined) {
      send(streams.error, Buffer.from(`failed to connect to localhost:${port} inside namespace: connection refused`));
      return;
    }
    const upstream = connect(target, "127.0.0.1");
    upstream.on("data", (data: Buffer) => send(streams.data, data));
    upstream.on("error", (error) => send(streams.error, Buffer.from(error.message)));
    upstream.on("close", () => socket.close());
    socket.on("message", (frame: Buffer) => {
      if (frame[0] === streams.data) upstream.write(frame.subarray(1));
    });
    socket.on("close", () => upstream.destroy());
  }
}

async function certificateIn(directory: string): Promise<{ key: string; cert: string }> {
  const [key, cert] = [path.join(directory, "key.pem"), path.join(directory, "cert.pem")];
  const about = ["-subj", "/CN=kubelet", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await run("openssl", ["req", "-x509", ...newKey, "-keyout", key, "-out", cert, ...about]);
  return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
}
