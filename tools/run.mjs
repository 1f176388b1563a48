// Runs one thing with the pinned Bun, after making sure that Bun and the packages are there.
//
//   node tools/run.mjs <file.ts> [args]     a file of this checkout (path relative to its root)
//   node tools/run.mjs --bin <name> [args]  a package binary of node_modules/.bin
//   node tools/run.mjs --bun <command...>   a command of Bun itself, such as `fmt`
//
// It needs no package, and runs under Node >= 20 and under Bun (`bun run` stands in for a missing
// node). Standard output belongs to the command: nothing here ever writes to it. The exit code is
// the command's; a command that died of signal n gives 128 + n.
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { setUp } from "./setup.mjs";
import { supervise, watchParent } from "./supervise.mjs";
import { SetUpError } from "./support.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const USAGE = `usage: node tools/run.mjs <file.ts> [args]
       node tools/run.mjs --bin <name> [args]
       node tools/run.mjs --bun <command> [args]`;

/**
 * Sets up if need be, runs the command and ends this process with its exit code.
 * @param {string[]} args as on the command line, without the program itself
 * @returns {Promise<never>}
 */
export async function launch(args) {
  if (args[0] === undefined || (args[0].startsWith("--") && args[1] === undefined)) {
    fail(USAGE, 2);
  }
  watchParent();
  try {
    const bun = await setUp(ROOT);
    const { argv, env } = commandLine(args);
    process.exit(await supervise(bun, argv, env));
  } catch (error) {
    if (!(error instanceof SetUpError)) throw error;
    fail(`tickwire: ${error.message}`, 1);
  }
}

/** @returns {{ argv: string[], env: NodeJS.ProcessEnv }} what to hand to Bun */
function commandLine([first, ...rest]) {
  if (first === "--bun") return { argv: rest, env: process.env };
  // --no-orphans: the kernel ends the command, and whatever it started, if this process is killed
  // outright. That path cannot drain; every signal that can be caught goes through supervise().
  // --no-install: a missing package is an error, never a download in the middle of a run.
  const flags = ["--no-orphans", "--no-install"];
  if (first === "--bin") {
    const [name, ...args] = rest;
    return { argv: [...flags, packageBinary(name), ...args], env: binaryEnvironment() };
  }
  // A bunfig.toml or .env of the folder the user happens to stand in must not change the broker.
  flags.push(`--config=${join(ROOT, "bunfig.toml")}`);
  return { argv: [...flags, join(ROOT, first), ...rest], env: process.env };
}

function packageBinary(name) {
  const link = join(ROOT, "node_modules", ".bin", name);
  if (!existsSync(link)) fail(`tickwire: there is no package binary "${name}"`, 2);
  return realpathSync(link);
}

/** oxlint starts tsgolint through a script that asks for node; the program itself does not need it. */
function binaryEnvironment() {
  const platform = `${process.platform}-${process.arch}`;
  const tsgolint = join(ROOT, "node_modules", "@oxlint-tsgolint", platform, "tsgolint");
  return existsSync(tsgolint) ? { OXLINT_TSGOLINT_PATH: tsgolint, ...process.env } : process.env;
}

/** @returns {never} */
function fail(sentence, code) {
  process.stderr.write(`${sentence}\n`);
  process.exit(code);
}

if (process.argv[1] !== undefined && isThisFile(process.argv[1])) {
  await launch(process.argv.slice(2));
}

function isThisFile(path) {
  return existsSync(path) && realpathSync(path) === realpathSync(fileURLToPath(import.meta.url));
}
