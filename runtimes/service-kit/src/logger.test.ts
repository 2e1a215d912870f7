import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";

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
