// What the set-up step installs, and with which program. Runs under the set-up lock only.
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

import { END_SIGNALS, exitCodeOf } from "./supervise.mjs";
import { readIfPresent, say, SetUpError, writeWhole } from "./support.mjs";

/** An installer that takes longer hangs. */
const INSTALLER_LIMIT_MS = 5 * 60_000;
/** What an installer gets to clean up after a signal. */
const INSTALLER_END_MS = 1_000;
const VERSION_LIMIT_MS = 20_000;
/** How much of an installer's output is kept, and how much of that is shown when it fails. */
const MAX_OUTPUT_CHARS = 8_000;
const MAX_SHOWN_LINES = 8;
const UNFINISHED = "unfinished";

/** @returns {boolean} whether the program runs on this machine and is that version of Bun */
export function reportsVersion(file, version) {
  const { status, stdout } = spawnSync(file, ["--version"], {
    encoding: "utf8",
    timeout: VERSION_LIMIT_MS,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return status === 0 && stdout.trim() === version;
}

/**
 * Installs the pinned Bun from the package registry the machine's own npm (or another Bun) is set up
 * for. Only the program is kept.
 * @returns {Promise<string>} its path
 */
export async function installBun({ version, state, bunFolder }) {
  say(`installing Bun ${version} ...`);
  // We hold the lock, so whatever an interrupted run left half done is nobody's.
  for (const name of readdirSync(state)) {
    if (name.startsWith("tmp-")) rmSync(join(state, name), { recursive: true, force: true });
  }
  const folder = mkdtempSync(join(state, "tmp-"));
  try {
    writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    await fetchBunInto(folder, version);
    const program = await findProgram(folder, version);
    const ready = join(folder, "ready");
    mkdirSync(ready);
    renameSync(program, join(ready, "bun"));
    rmSync(bunFolder, { recursive: true, force: true });
    renameSync(ready, bunFolder);
    return join(bunFolder, "bun");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function fetchBunInto(folder, version) {
  const spec = `bun@${version}`;
  // Install scripts stay off: where they are forbidden the result would be a stub, and all they do is
  // move the program, which lies in a package of its own.
  // The retries are shortened from npm's 70 s and more, so that a machine that is offline says so soon.
  const npm =
    "install --ignore-scripts --include=optional --no-save --no-package-lock --no-audit --no-fund --loglevel=error " +
    "--fetch-retries=2 --fetch-retry-mintimeout=500 --fetch-retry-maxtimeout=2000";
  const bun = ["add", "--ignore-scripts", "--exact", "--no-progress", "--no-summary", spec];
  const installers = [["npm", [...npm.split(" "), "--prefix", folder, spec]]];
  // Another version of Bun can fetch the right one where there is no npm.
  if (process.versions.bun !== undefined) installers.push([process.execPath, bun]);
  installers.push(["bun", bun]);

  const failures = [];
  for (const [program, args] of installers) {
    const { code, output } = await runInstaller(program, args, { cwd: folder });
    if (code === 0) return;
    if (code !== undefined) failures.push(output);
  }
  const otherwise = `put Bun ${version} on the PATH (https://bun.com/docs/installation)`;
  if (failures.length === 0) {
    throw new SetUpError(
      `Bun ${version} is needed, and there is no npm to install it. Install Node.js with npm, or ${otherwise}, then run this again.`,
    );
  }
  throw new SetUpError(
    `could not install Bun ${version}. Check that the package registry can be reached, or ${otherwise}, then run this again. The installer said:\n${excerpt(failures[0])}`,
  );
}

/** A package for each kind of machine may have come; the one whose program runs here is the one. */
async function findProgram(folder, version) {
  const modules = join(folder, "node_modules");
  const inScope = join(modules, "@oven");
  const names = existsSync(inScope) ? readdirSync(inScope).toSorted() : [];
  const candidates = names.map((name) => join(inScope, name, "bin", "bun")).filter(existsSync);
  for (const path of candidates) chmodSync(path, 0o755);
  const found = candidates.find((path) => reportsVersion(path, version));
  if (found !== undefined) return found;
  // Processors without AVX2 need a build that only the package's own script fetches.
  const script = join(modules, "bun", "install.js");
  await runInstaller(process.execPath, [script], { cwd: dirname(script) });
  const fetched = join(modules, "bun", "bin", "bun.exe");
  if (reportsVersion(fetched, version)) return fetched;
  throw new SetUpError(
    `Bun ${version} was installed but does not run here (${process.platform} ${process.arch}). See https://bun.com/docs/installation for the machines it supports.`,
  );
}

/**
 * Installs exactly what bun.lock names.
 * @param {string} bun path of the pinned Bun
 * @param {string} fingerprint of what is installed; the stamp that marks completion
 */
export async function installPackages({ root, stamp }, bun, fingerprint) {
  say("installing packages ...");
  const modules = dirname(stamp);
  // An interrupted installation may have left a package half copied, which Bun would take for whole.
  if (readIfPresent(stamp) === UNFINISHED) {
    for (const name of readdirSync(modules)) {
      if (join(modules, name) !== stamp) rmSync(join(modules, name), { recursive: true });
    }
  }
  writeWhole(stamp, UNFINISHED);
  const args = ["install", "--frozen-lockfile", "--no-progress", "--no-summary"];
  // If this process is killed, so is the installer: the next run must not find it still writing.
  const env = { ...process.env, BUN_FEATURE_FLAG_NO_ORPHANS: "1" };
  const { code, output } = await runInstaller(bun, args, { cwd: root, env });
  if (code !== 0) {
    throw new SetUpError(
      `could not install the packages of bun.lock. Check that the package registry can be reached, then run this again; after a change of package.json run "${bun} install" first. The installer said:\n${excerpt(output)}`,
    );
  }
  writeWhole(stamp, fingerprint);
}

/** The lines of an installer's output that say what went wrong, without its stack trace. */
function excerpt(output) {
  const lines = output.split("\n").filter((line) => line.trim() !== "" && !/ {2,}at /.test(line));
  return lines.slice(0, MAX_SHOWN_LINES).join("\n");
}

/**
 * Runs an installer to its end. A signal that ends this process ends the installer first.
 * @returns {Promise<{ code: number | undefined, output: string }>} code is undefined when the
 *   program could not be started
 */
function runInstaller(program, args, options) {
  let endedBy;
  const onSignal = (signal) => {
    endedBy ??= signal;
    child.kill(signal);
    // npm goes on until its downloads end, which on a stalled line is never.
    setTimeout(() => child.kill("SIGKILL"), INSTALLER_END_MS).unref();
  };
  for (const signal of END_SIGNALS) process.on(signal, onSignal);
  const child = spawn(program, args, {
    ...options,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: INSTALLER_LIMIT_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  const keep = (text) => {
    output = (output + text).slice(-MAX_OUTPUT_CHARS);
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  const forget = () => {
    for (const signal of END_SIGNALS) process.off(signal, onSignal);
  };
  return new Promise((resolve) => {
    child.once("error", (error) => {
      forget();
      resolve({ code: undefined, output: error.message });
    });
    child.once("close", (code, signal) => {
      forget();
      if (endedBy !== undefined) process.exit(exitCodeOf(endedBy));
      resolve({ code: code ?? exitCodeOf(signal), output: output.trim() });
    });
  });
}
