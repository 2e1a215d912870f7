import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { CodedError } from "./coded-error.ts";
import { createLogger } from "./logger.ts";

test("writes an error with its code, its frozen context and the chain of its causes", () => {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString("utf8"));
      done();
    },
  });
  const cause = new Error("connection reset");
  const error = new CodedError("HTTP_STATUS", "answered 503", { context: { status: 503, message: "no journal" }, cause });
  createLogger({ name: "errors", destination }).warn({ err: error }, "a call failed");
  expect(JSON.parse(lines.join(""))).toMatchObject({
    err: { code: "HTTP_STATUS", context: { status: 503, message: "no journal" }, cause: { message: "connection reset" } },
  });
});

test("keeps canary secrets out of everything that is written", () => {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString("utf8"));
      done();
    },
  });
  const log = createLogger({ name: "canary", destination });
  const canary = "CANARY-5f1d";
  log.info({ token: canary, headers: { authorization: canary }, venue: { account: { apiKey: canary } }, dsn: canary }, "hello");
  expect(lines.join("")).toContain("hello");
  expect(lines.join("")).not.toContain(canary);
});
