import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { run } from "../shell.ts";
import { versions } from "../versions.ts";

/** Debian release that carries this major version of Postgres, and Valkey. */
const release = "trixie";

/** A root file system of Debian packages. */
export interface DebianRoot {
  /** Of the image that is made of it. */
  readonly name: string;
  /** `minbase`: packages are set up, with a shell; `extract`: they are only unpacked, which is enough for one program and takes seconds. */
  readonly variant: "minbase" | "extract";
  readonly packages: readonly string[];
  /** Shell commands after the last package; `$1` is the root. */
  readonly hooks: readonly string[];
}

/** As in the official image, so that the chart's security context and volumes fit both. */
const postgresUser = 999;

export const postgresRoot: DebianRoot = {
  name: "postgres",
  variant: "minbase",
  packages: [`postgresql-${versions.postgres}`, `postgresql-${versions.postgres}-pgvector`],
  hooks: [
    `chroot "$1" usermod --uid ${postgresUser} postgres`,
    `chroot "$1" groupmod --gid ${postgresUser} postgres`,
    'rm -rf "$1"/var/lib/postgresql "$1"/var/cache/apt "$1"/var/lib/apt/lists "$1"/var/log "$1"/usr/lib/postgresql/*/lib/bitcode',
    `mkdir -p "$1"/var/lib/postgresql/data "$1"/docker-entrypoint-initdb.d "$1"/var/log "$1"/run/postgresql`,
    `chown ${postgresUser}:${postgresUser} "$1"/var/lib/postgresql "$1"/var/lib/postgresql/data "$1"/run/postgresql`,
  ],
};

export const valkeyRoot: DebianRoot = {
  name: "valkey",
  variant: "extract",
  packages: ["base-files", "valkey-server"],
  hooks: ['rm -rf "$1"/var/cache/apt "$1"/var/lib/apt "$1"/var/lib/dpkg "$1"/var/log'],
};

function mmdebstrapArguments({ variant, packages, hooks }: DebianRoot, output: string): string[] {
  const excluded = ["man", "doc", "info", "locale", "bug", "lintian"].map(
    (name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`,
  );
  return [
    `--variant=${variant}`,
    "--mode=root",
    `--include=${packages.join(",")}`,
    ...excluded,
    '--aptopt=Apt::Install-Recommends "false"',
    ...hooks.map((hook) => `--customize-hook=${hook}`),
    release,
    output,
  ];
}

/**
 * The root as a tar file in `directory`, made once and kept until what it is made of changes.
 *
 * @returns its path; the name holds a hash of what it is made of
 */
export async function ensureDebianRoot(root: DebianRoot, directory: string, report: (line: string) => void): Promise<string> {
  mkdirSync(directory, { recursive: true });
  const made = JSON.stringify(mmdebstrapArguments(root, "root.tar"));
  const file = path.join(directory, `root-${createHash("sha256").update(made).digest("hex").slice(0, 12)}.tar`);
  if (existsSync(file)) return file;
  report(`installing ${root.packages.join(" and ")} of Debian ${release} into an image root (up to a minute)`);
  const partial = path.join(directory, "partial.tar");
  rmSync(partial, { force: true });
  await run("mmdebstrap", mmdebstrapArguments(root, partial), {
    timeoutMs: 900_000,
    onLine: (line) => line.startsWith("I:") && report(line),
  });
  for (const old of readdirSync(directory)) if (old.startsWith("root-")) rmSync(path.join(directory, old));
  renameSync(partial, file);
  return file;
}
