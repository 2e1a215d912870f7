import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" })
  .split("\n")
  .filter(Boolean);
const sources = files.filter((file) => /\.(ts|mjs|cjs)$/.test(file));

const drawers = /(^|\/)(utils?|helpers?|common|misc|shared|types|lib|stuff)(\.ts|\/|$)/;
const kebabCase = /^[a-z0-9]+([.-][a-z0-9]+)*$/;
/** A kind that is not reconciled yet decides nothing: it has no plan and no status of its own. */
const kinds = [
  { kind: "strategy", has: ["manifests.ts", "plan.ts", "rbac.ts", "reconcile.ts", "status.ts"] },
  { kind: "risk-policy", has: ["manifests.ts", "plan.ts", "rbac.ts", "reconcile.ts", "status.ts"] },
  { kind: "llm-route", has: ["rbac.ts", "reconcile.ts"] },
  { kind: "checkpoint", has: ["rbac.ts", "reconcile.ts"] },
];

describe("the tree is tidy", () => {
  test("no file or folder is a drawer for anything", () => {
    expect(sources.filter((file) => drawers.test(file))).toEqual([]);
  });

  test("every source file is named in kebab-case", () => {
    expect(
      sources.filter(
        (file) => !file.startsWith(".") && !kebabCase.test(path.basename(file).replace(/\.(test\.)?(ts|mjs|cjs)$/, "")),
      ),
    ).toEqual([]);
  });

  test.each(kinds)("operator/src/$kind has the files every kind has", ({ kind, has }) => {
    const names = files.filter((file) => file.startsWith(`operator/src/${kind}/`)).map((file) => path.basename(file));
    expect(names).toEqual(expect.arrayContaining(has));
  });

  test("no source line names a package registry or an absolute path of the developer's machine", () => {
    // In parts, so that this file does not match itself.
    const hosts = [
      ["registry", "npmjs"],
      ["proxy", "golang"],
      ["pypi", "org"],
      ["deb", "debian"],
    ].map((parts) => parts.join("\\."));
    const folders = ["main", "shared"].map((name) => ["", "work", name].join("/"));
    const forbidden = new RegExp([...hosts, ...folders].join("|"));
    const text = files.filter(
      (file) => /\.(ts|mjs|cjs|json|ya?ml|md|sh|py|tpl)$|Dockerfile|^\.ci\//.test(file) && file !== "package-lock.json",
    );
    expect(text.filter((file) => forbidden.test(readFileSync(path.join(root, file), "utf8")))).toEqual([]);
  });

  test("every generated file says so in its first line", () => {
    const generated = files.filter((file) => /^(crds\/generated|docs\/reference)\//.test(file));
    expect(
      generated.filter((file) => !/generated/i.test(readFileSync(path.join(root, file), "utf8").split("\n", 1)[0] ?? "")),
    ).toEqual([]);
  });
});
