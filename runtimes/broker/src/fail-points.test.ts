import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { killingFailPoints } from "./fail-points.ts";

describe("a fail point that ends the process", () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "bellwether-fail-point-"))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test("fires once in the life of a volume, and only at its own name", () => {
    let kills = 0;
    const arm = () => killingFailPoints({ name: "before-reply", directory, kill: () => (kills += 1) });
    const points = arm();
    points.pass("before-venue-send");
    expect(kills).toBe(0);
    points.pass("before-reply");
    points.pass("before-reply");
    arm().pass("before-reply");
    expect(kills).toBe(1);
  });
});
