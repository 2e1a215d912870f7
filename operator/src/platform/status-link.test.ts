import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "@bellwether/service-kit";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { StatusLink } from "./status-link.ts";

const directory = mkdtempSync(path.join(tmpdir(), "bw-status-link-"));
const tokenFile = path.join(directory, "token");
writeFileSync(tokenFile, "a token");
const toClose: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0)) await close();
  rmSync(directory, { recursive: true, force: true });
});

test("tells what changed, forgives one missed look, and says in stable words that nobody answers", async () => {
  let answer: { status: number; body: object } = { status: 200, body: { count: 1 } };
  const server = createServer((_request, response) => {
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const changes: string[] = [];
  const link = new StatusLink({
    who: "the gateway",
    schema: z.object({ count: z.number() }),
    tokenFile,
    pollMs: 20,
    timeoutMs: 5_000,
    clock: systemClock,
    onChange: (id) => changes.push(id),
  });
  toClose.push(
    () => link.close(),
    () => new Promise((resolve) => server.close(() => resolve())),
  );
  expect(link.word("r")).toEqual({ heard: false, message: "the gateway does not run" });
  link.track("r", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await link.looked("r");
  expect(link.word("r")).toEqual({ heard: true, view: { count: 1 } });
  answer = { status: 200, body: { count: 2 } };
  await expect.poll(() => link.word("r"), { timeout: 30_000 }).toEqual({ heard: true, view: { count: 2 } });
  answer = { status: 403, body: { code: "FORBIDDEN", message: "not you" } };
  await expect
    .poll(() => link.word("r"), { timeout: 30_000 })
    .toEqual({ heard: false, message: "the gateway refuses the operator: not you" });
  expect(changes).toEqual(["r", "r", "r"]);
  link.untrack("r");
  expect(link.word("r").heard).toBe(false);
});
