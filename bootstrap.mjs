#!/usr/bin/env node
// Runs any npm script of this repository from a fresh clone: installs from the lockfile when node_modules is missing or stale,
// then goes on under the pinned Node 24 that an npm package carries. Plain JavaScript without dependencies, for any Node >= 18,
// because nothing else is there yet. Everything it says goes to standard error: standard output belongs to the script.
//
//   node bootstrap.mjs path/to/script.ts [args]     run a script of ours
//   node bootstrap.mjs --bin prettier [args]        run a tool from node_modules/.bin
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(root, "node_modules");
const stampFile = path.join(modules, ".bellwether-install");
const lockDirectory = path.join(root, ".bellwether", "install.lock");

const say = (text) => process.stderr.write(`[bootstrap] ${text}\n`);

function fail(text) {
  say(text);
  process.exit(1);
}

/** What the installed tree must match: the lockfile and the platform, since native packages differ between platforms. */
function wantedStamp() {
  const lock = readFileSync(path.join(root, "package-lock.json"));
  return createHash("sha256").update(lock).update(`${process.platform}-${process.arch}`).digest("hex");
}

const isInstalled = (stamp) => existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp;

function pinnedNode() {
  // The one sibling whose name breaks the pattern.
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node";
  const name = `${prefix}-${process.platform}-${process.arch}`;
  const file = path.join(modules, name, "bin", "node");
  if (!existsSync(file)) {
    fail(
      `no pinned Node for ${process.platform}-${process.arch}: the package ${name} is not in package.json's optionalDependencies. Supported: linux-x64, linux-arm64, darwin-x64, darwin-arm64.`,
    );
  }
  return file;
}

/** True while the process that took the lock lives: a lock left by a killed one is taken over. */
function lockIsHeld() {
  try {
    process.kill(Number(readFileSync(path.join(lockDirectory, "pid"), "utf8")), 0);
    return true;
  } catch (error) {
    if (error.code === "EPERM") return true;
    // Between making the directory and writing the file there is a moment without a pid.
    const ageMs = Date.now() - (statSync(lockDirectory, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    return ageMs < 2_000;
  }
}

/** Two scripts started side by side must not install into one another: the first takes the directory, the others wait for it. */
async function withInstallLock(work) {
  mkdirSync(path.dirname(lockDirectory), { recursive: true });
  for (;;) {
    try {
      mkdirSync(lockDirectory);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (lockIsHeld()) await new Promise((resolve) => setTimeout(resolve, 300));
      else rmSync(lockDirectory, { recursive: true, force: true });
    }
  }
  try {
    writeFileSync(path.join(lockDirectory, "pid"), String(process.pid));
    work();
  } finally {
    rmSync(lockDirectory, { recursive: true, force: true });
  }
}

function install(stamp) {
  if (isInstalled(stamp)) return;
  const startedAt = Date.now();
  say("installing dependencies from package-lock.json (once, about a minute) ...");
  const npmScript = process.env.npm_execpath;
  const [command, ...first] = npmScript?.endsWith(".js") ? [process.execPath, npmScript] : ["npm"];
  const { status, error } = spawnSync(command, [...first, "ci", "--no-fund", "--no-audit", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (error || status !== 0) {
    const cause = error ? ` (${error.message})` : "";
    throw new Error(
      `npm ci failed${cause}. Check that npm is installed and reaches its registry, then run the same command again.`,
    );
  }
  writeFileSync(stampFile, stamp);
  say(`installed in ${Math.round((Date.now() - startedAt) / 1000)} s`);
}

async function main() {
  const [first, ...rest] = process.argv.slice(2);
  if (!first) fail("usage: node bootstrap.mjs <script.ts> [args] | --bin <tool> [args]");
  if (Number(process.versions.node.split(".")[0]) < 18)
    fail(`Node ${process.versions.node} is too old to start from; any Node 18 or later will do.`);

  const stamp = wantedStamp();
  if (!isInstalled(stamp)) await withInstallLock(() => install(stamp));

  const node = pinnedNode();
  const args = first === "--bin" ? [path.join(modules, ".bin", rest[0]), ...rest.slice(1)] : [path.resolve(root, first), ...rest];
  const child = spawn(node, ["--disable-warning=ExperimentalWarning", ...args], {
    stdio: "inherit",
    env: {
      ...process.env,
      PATH: `${path.dirname(node)}${path.delimiter}${path.join(modules, ".bin")}${path.delimiter}${process.env.PATH}`,
    },
  });
  // Ctrl-C reaches the whole foreground group by itself; a TERM to us alone has to be handed on.
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  process.on("SIGINT", () => {});
  child.on("error", (error) => fail(`cannot start ${node}: ${error.message}`));
  child.on("exit", (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code));
}

try {
  await main();
} catch (error) {
  fail(error.message);
}
