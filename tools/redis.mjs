// The Redis that the tests start: found, or installed when it is missing and that can be done.
//
//   node tools/redis.mjs   exit code 0 and no word when all is there
//
// Only the program is wanted. Debian's package also sets up a service, which is kept from starting now
// and at the next boot. What is installed by hand or already there is never touched.
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { withLock } from "./lock.mjs";
import { say, SetUpError } from "./support.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Sharded publish and subscribe, `cluster-port`. */
const MIN_MAJOR = 7;
const VERSION_LIMIT_MS = 10_000;
const SUDO_LIMIT_MS = 5_000;
/** More than the limits inside the script below together; after that it hangs. */
const INSTALLER_LIMIT_MS = 8 * 60_000;
/** Longer than an installer may take. */
const LOCK_LIMIT_MS = 9 * 60_000;
const OUTPUT_LIMIT_MS = 2_000;
const MAX_OUTPUT_CHARS = 8_000;
const MAX_SHOWN_LINES = 8;

/**
 * Runs as root. `update` may fail on a machine whose lists are good enough. A policy-rc.d that exits with
 * 101 forbids to start services; one that exists already is the administrator's and stays as it is.
 * Exit code 9: the distribution's Redis is too old, and was not installed.
 */
const APT_SCRIPT = `
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
options="-q -o DPkg::Lock::Timeout=60 -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20"
timeout -k 10 120 apt-get $options update || echo "apt-get update failed"
major=$(apt-cache policy redis-server | sed -n 's/^ *Candidate: *\\([0-9]*:\\)\\{0,1\\}\\([0-9]*\\).*/\\2/p')
if [ "\${major:-0}" -lt ${MIN_MAJOR} ]; then
  echo "the version of the package redis-server is \${major:-not known} here"
  exit 9
fi
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 1' INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' >$policy
  chmod 755 $policy
fi
timeout -k 10 240 apt-get $options -o Dpkg::Options::=--force-confold --no-install-recommends -y install redis-server || exit 1
if [ -d /run/systemd/system ]; then systemctl disable redis-server; fi
exit 0
`;

/**
 * Makes sure that there is a redis-server >= 7. When there is none and it cannot be installed, says on
 * standard error what to do; the tests that need one are then skipped.
 * @returns {Promise<string | undefined>} path of the program
 */
export async function ensureRedis() {
  try {
    const found = findRedis();
    if (found !== undefined) return found;
    const options = {
      limitMs: LOCK_LIMIT_MS,
      onWait: () => say("waiting for another process that is installing redis-server ..."),
    };
    // Whoever held the lock before us may have installed it.
    return await withLock(
      join(ROOT, ".tickwire", "redis.lock"),
      options,
      async () => findRedis() ?? (await installRedis()),
    );
  } catch (error) {
    if (!(error instanceof SetUpError) && error.code !== "ELOCKED") throw error;
    say(error.message);
    return undefined;
  }
}

/**
 * The program that TICKWIRE_REDIS_SERVER names, or the first on the PATH that is new enough.
 * @returns {string | undefined}
 * @throws {SetUpError} when TICKWIRE_REDIS_SERVER names something else
 */
export function findRedis() {
  const named = process.env["TICKWIRE_REDIS_SERVER"];
  if (named !== undefined && named !== "") {
    if (majorOf(named) >= MIN_MAJOR) return named;
    throw new SetUpError(
      `TICKWIRE_REDIS_SERVER is ${named}, which is no redis-server of version ${MIN_MAJOR} or later.`,
    );
  }
  return onPath("redis-server").find((program) => majorOf(program) >= MIN_MAJOR);
}

/** @returns {number} the major version, 0 when the program says something else or nothing */
function majorOf(program) {
  const { stdout } = spawnSync(program, ["--version"], {
    encoding: "utf8",
    timeout: VERSION_LIMIT_MS,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return Number(/server v=(\d+)\./.exec(stdout ?? "")?.[1] ?? 0);
}

/** @returns {string[]} every executable of that name, in the order of the PATH */
function onPath(name) {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).filter(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // Not there, or not ours to run.
  }
}

/** @returns {Promise<string>} path of the program */
async function installRedis() {
  const command = installerCommand();
  if (command === undefined) throw new SetUpError(missing("it cannot be installed from here"));
  say("installing redis-server for the tests ...");
  const { code, output } = await run(command);
  const found = code === 0 ? findRedis() : undefined;
  if (found !== undefined) return found;
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const end = lines.slice(-MAX_SHOWN_LINES).join("\n");
  throw new SetUpError(`${missing("installing it failed")} The installer said:\n${end}`);
}

/** @returns {string[] | undefined} what installs Redis here without a question, if anything does */
function installerCommand() {
  if (onPath("apt-get").length > 0) {
    const script = ["sh", "-c", APT_SCRIPT];
    if (process.getuid?.() === 0) return script;
    if (canSudo()) return ["sudo", "-n", ...script];
  }
  return onPath("brew").length > 0 ? ["brew", "install", "redis"] : undefined;
}

function canSudo() {
  const options = { stdio: "ignore", timeout: SUDO_LIMIT_MS };
  return onPath("sudo").length > 0 && spawnSync("sudo", ["-n", "true"], options).status === 0;
}

/** @param {string} why there is none, as a clause */
function missing(why) {
  const old = onPath("redis-server")[0];
  const state = old === undefined ? "is not on the PATH" : `on the PATH (${old}) is older`;
  return (
    `the tests over Redis need redis-server ${MIN_MAJOR} or later. It ${state}, and ${why}. ` +
    'Install it ("sudo apt-get install redis-server", "brew install redis", or see ' +
    "https://redis.io/docs/latest/operate/oss_and_stack/install), or set TICKWIRE_REDIS_SERVER to the " +
    "program, and run this again. Until then those tests are skipped."
  );
}

/**
 * Runs an installer to its end. A Ctrl-C reaches it as it reaches this process.
 * @returns {Promise<{ code: number, output: string }>}
 */
function run([program, ...args]) {
  const child = spawn(program, args, {
    env: { ...process.env, HOMEBREW_NO_AUTO_UPDATE: "1", NONINTERACTIVE: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: INSTALLER_LIMIT_MS,
  });
  let output = "";
  const keep = (text) => {
    output = (output + text).slice(-MAX_OUTPUT_CHARS);
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: 126, output: error.message }));
    child.once("exit", (code) => {
      // A service that was started all the same could hold the output open.
      const timer = setTimeout(() => resolve({ code: code ?? 1, output }), OUTPUT_LIMIT_MS);
      child.once("close", () => {
        clearTimeout(timer);
        resolve({ code: code ?? 1, output });
      });
    });
  });
}

const [, entry] = process.argv;
if (entry !== undefined && isThisFile(entry)) {
  process.exitCode = (await ensureRedis()) === undefined ? 1 : 0;
}

function isThisFile(path) {
  try {
    return realpathSync(path) === realpathSync(fileURLToPath(import.meta.url));
  } catch {
    return false; // The entry is no file, as in `node --eval`.
  }
}
