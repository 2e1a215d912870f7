import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demoKeys } from "./demo.ts";

/** What `GET /state` of the admin port says, as far as tests judge by it. */
export interface ExchangeState {
  readonly placements: Readonly<Record<string, number>>;
  readonly orders: readonly { id: number; clientOrderId: string; status: string; filled: string; createdMs: number }[];
  readonly balances: Readonly<Record<string, readonly { asset: string; free: string; locked: string }[]>>;
}

/** The local exchange as a process of its own, whose state survives its kill. */
export class ExchangeProcess {
  readonly directory = mkdtempSync(join(tmpdir(), "bellwether-exchange-"));
  readonly credentialsDirectory = this.directory;
  readonly #arguments: readonly string[];
  #child: ChildProcess | undefined;
  url = "";
  adminUrl = "";

  constructor(...more: string[]) {
    this.#arguments = more;
    const [key] = demoKeys;
    for (const [name, value] of Object.entries({ apiKey: key?.apiKey, secret: key?.secret, password: key?.passphrase }))
      writeFileSync(join(this.directory, name), `${value}\n`);
  }

  async start(): Promise<void> {
    const main = new URL("main.ts", import.meta.url).pathname;
    const ports = this.url === "" ? [] : ["--port", new URL(this.url).port, "--admin-port", new URL(this.adminUrl).port];
    const child = spawn(process.execPath, [main, "--state", join(this.directory, "state.jsonl"), ...ports, ...this.#arguments], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child = child;
    const line = await new Promise<string>((resolve, reject) => {
      child.stdout?.once("data", (data: Buffer) => resolve(data.toString()));
      child.once("exit", (code) => reject(new Error(`the exchange ended with ${code}`)));
    });
    ({ url: this.url, adminUrl: this.adminUrl } = JSON.parse(line) as { url: string; adminUrl: string });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async state(): Promise<ExchangeState> {
    return (await (await fetch(`${this.adminUrl}/state`)).json()) as ExchangeState;
  }

  async admin(path: string, body: unknown): Promise<void> {
    const response = await fetch(`${this.adminUrl}${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(await response.text());
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
