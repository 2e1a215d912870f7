import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ensureBinaries, missingBinaries } from "@bellwether/k3s/binaries";
import { RestartableProcess } from "../../suites/restartable-process.ts";
import { freePort } from "../order-path/postgres.ts";

/** A real S3 server of the test's own, on loopback, with one bucket; what it stores are files that a test may damage. */
export interface TestS3 {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Where the bucket's objects are files. */
  readonly directory: string;
  stop(): Promise<void>;
  /** Starts it again after `stop`, on the same port and data. */
  start(options?: { readonly readOnly?: boolean }): Promise<void>;
  /** Stops it and removes the data. */
  remove(): Promise<void>;
}

/** Why tests with a real S3 server cannot run here, or undefined when they can. */
export function versitygwMissing(): string | undefined {
  const go = (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(path.join(folder, "go")));
  return missingBinaries(["versitygw"]).length > 0 && !go ? "versitygw is not built, and there is no Go to build it" : undefined;
}

/** @param tls files of a certificate and its key */
export async function startVersitygw(tls?: { readonly cert: string; readonly key: string }): Promise<TestS3> {
  const { versitygw } = await ensureBinaries(["versitygw"]);
  const root = mkdtempSync(path.join(tmpdir(), "bellwether-s3-"));
  const bucket = "bellwether";
  const directory = path.join(root, "data", bucket);
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const [accessKeyId, secretAccessKey] = ["checkpoint", "a secret of the test's own"];
  const endpoint = `${tls ? "https" : "http"}://127.0.0.1:${port}`;
  const launch = ({ readOnly = false }: { readonly readOnly?: boolean }): ChildProcess => {
    const secured = tls ? ["--cert", tls.cert, "--key", tls.key] : [];
    const options = ["--port", `127.0.0.1:${port}`, "--quiet", "--keep-alive", ...secured, ...(readOnly ? ["--readonly"] : [])];
    const env = { ...process.env, ROOT_ACCESS_KEY_ID: accessKeyId, ROOT_SECRET_ACCESS_KEY: secretAccessKey };
    return spawn(versitygw, [...options, "posix", path.join(root, "data")], { stdio: "ignore", env });
  };
  const server = new RestartableProcess(launch, () => answers(endpoint));
  await server.start({});
  return {
    endpoint,
    bucket,
    accessKeyId,
    secretAccessKey,
    directory,
    start: (options = {}) => server.start(options),
    stop: () => server.stop(),
    remove: async () => {
      await server.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Any answer will do, and so does one that is not trusted. */
async function answers(endpoint: string): Promise<boolean> {
  return fetch(endpoint).then(
    () => true,
    (error: Error) => (error.cause as { code?: string } | undefined)?.code !== "ECONNREFUSED",
  );
}
