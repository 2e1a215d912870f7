import { expect, test } from "vitest";
import { checkpointConfig } from "./config.ts";

const least = {
  checkpoint: { namespace: "bellwether", name: "hourly", uid: "00000000-0000-4000-8000-000000000000" },
  copies: [{ name: "disk", volume: { path: "/copies/disk" } }],
  minVerifiedCopies: 1,
  retention: {},
};

test("the least configuration is completed with safe defaults", () => {
  expect(checkpointConfig.parse(least)).toMatchObject({
    include: ["Journal", "Positions", "Memory", "LlmCache", "Specs"],
    retention: { hourly: 24, daily: 7, weekly: 4 },
    graceMs: 3 * 3_600_000,
    verifyCycleDays: 30,
  });
});

test.each<[string, object]>([
  ["a grace that a snapshot may outlast", { graceMs: 3_600_000 }],
  ["more verified copies than there are", { minVerifiedCopies: 2 }],
  ["two copies of one name", { copies: [least.copies[0], least.copies[0]], minVerifiedCopies: 1 }],
  ["a copy that is two things", { copies: [{ ...least.copies[0], postgres: { dsnFile: "/dsn" } }] }],
  ["no copy", { copies: [] }],
  ["a member nobody knows", { surprise: true }],
])("refuses %s", (_, change) => {
  expect(checkpointConfig.safeParse({ ...least, ...change }).success).toBe(false);
});
