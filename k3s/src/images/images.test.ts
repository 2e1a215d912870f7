import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { librariesOf } from "./build-all.ts";
import { contentHash, type ImageBuild, imageReference } from "./image-builder.ts";
import { serviceImages } from "./image-list.ts";

describe("an image's tag", () => {
  let directory = "";
  let build: ImageBuild;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), "bw-image-"));
    mkdirSync(path.join(directory, "context/app"), { recursive: true });
    writeFileSync(path.join(directory, "Dockerfile"), "FROM scratch\n");
    writeFileSync(path.join(directory, "context/app/main.mjs"), "1");
    build = {
      name: "risk",
      dockerfile: path.join(directory, "Dockerfile"),
      context: path.join(directory, "context"),
      args: { BASE: "a" },
    };
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test("is the same for the same content, so that nothing is built twice", () => {
    expect(contentHash(build)).toBe(contentHash({ ...build }));
  });

  test.each([
    { what: "a file's content", change: () => writeFileSync(path.join(directory, "context/app/main.mjs"), "2") },
    { what: "a file's name", change: () => writeFileSync(path.join(directory, "context/app/other.mjs"), "1") },
    { what: "the Dockerfile", change: () => writeFileSync(path.join(directory, "Dockerfile"), "FROM x\n") },
    { what: "a build argument", change: () => void (build = { ...build, args: { BASE: "b" } }) },
  ])("changes with $what", ({ change }) => {
    const before = contentHash(build);
    change();
    expect(contentHash(build)).not.toBe(before);
  });

  test("stands behind a local name, so that no node looks for it on the network", () => {
    expect(imageReference("risk", "abc")).toBe("localhost/bellwether/risk:abc");
  });
});

test("every service has an image, and the agent's also holds the process for source programs", () => {
  const images = serviceImages();
  expect(images.map(({ name }) => name)).toEqual([
    "operator",
    "agent",
    "risk",
    "broker",
    "gateway",
    "checkpoint",
    "node-agent",
    "ollama",
  ]);
  expect(images.find(({ name }) => name === "agent")?.entries).toMatchObject({
    main: "src/main.ts",
    sandbox: "src/sandbox/child-main.ts",
  });
});

test("the libraries of a program are those with a file, the loader included", () => {
  const output =
    "\tlinux-vdso.so.1 (0x00007f9a)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f9a)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f9b)\n";
  expect([...librariesOf(output).keys()]).toEqual(["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"]);
});
