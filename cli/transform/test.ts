import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import type { CaseResult } from "../../workers/boundary/worker-link.ts";
import { CliError, ExitCode } from "../errors.ts";
import { plural } from "../format.ts";
import { Interrupt } from "../interrupt.ts";
import { parseArguments } from "../options.ts";
import { print } from "../output.ts";
import { LOAD_OPTIONS, loadOptions, pathOf } from "./arguments.ts";
import { LoadedTransform } from "./loaded-transform.ts";
import { packagedSamples } from "./samples.ts";
import { linkForEditor } from "./scaffold.ts";
import type { Subcommand } from "./subcommand.ts";
import { findTarget } from "./target.ts";
import type { Target } from "./target.ts";

const PRELOAD = fileURLToPath(new URL("preload.ts", import.meta.url));
/** Tests that take longer have hung, ms. */
const TEST_TIMEOUT_MS = 30_000;

const OPTIONS = {
  "no-cases": { type: "boolean", text: "leave out cases/*.json" },
  "no-files": { type: "boolean", text: "leave out *.test.ts" },
  ...LOAD_OPTIONS,
  config: { ...LOAD_OPTIONS.config, text: "its configuration; default: that of the first case" },
} as const;

export const test: Subcommand = {
  usage: "test [path]",
  summary: "runs the cases (cases/*.json) in a worker, and the author's *.test.ts",
  options: OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    const { config, emit } = loadOptions(options);
    const target = findTarget(pathOf(positionals));
    const interrupt = new Interrupt();
    let hasRun = false;
    let hasFailed = false;
    if (options["no-cases"] !== true) {
      const own = options.config === undefined ? (await packagedSamples(target)).config : config;
      // A case may hang: the process then ends in the middle of it.
      const cases = await Promise.race([
        runCases(target, { config: own, emit }),
        interrupt.requested.then(() => []),
      ]);
      if (interrupt.code !== null) return interrupt.code;
      if (cases.length > 0) await print(casesText(cases));
      hasRun = cases.length > 0;
      hasFailed = cases.some(({ passed }) => !passed);
    }
    if (options["no-files"] !== true && target.folder !== null) {
      const files = await testFiles(target.folder);
      if (files.length > 0) {
        hasRun = true;
        hasFailed = (await runFiles(target.folder, files, interrupt)) !== 0 || hasFailed;
      }
    }
    if (interrupt.code !== null) return interrupt.code;
    if (!hasRun) {
      throw new CliError("there is nothing to test: neither cases/*.json nor *.test.ts");
    }
    return hasFailed ? ExitCode.failed : ExitCode.done;
  },
};

async function runCases(
  target: Target,
  options: ReturnType<typeof loadOptions>,
): Promise<readonly CaseResult[]> {
  await using transform = await LoadedTransform.load(target, options);
  return await transform.test();
}

/** A line for each case, and under one that failed what was expected and what came. */
function casesText(cases: readonly CaseResult[]): string {
  const lines = cases.flatMap(({ name, file, passed, diff }) => [
    `${passed ? "pass" : "FAIL"}  ${basename(file)}: ${name}`,
    ...diff.map((line) => `      ${line}`),
  ]);
  const failed = cases.filter(({ passed }) => !passed).length;
  const total = `${plural(cases.length, "case")}, ${failed} failed`;
  return `${lines.join("\n")}\n${total}\n`;
}

/** The author's tests, relative to the folder. Links are not followed: one in node_modules may lead back here. */
async function testFiles(folder: string, below = ""): Promise<string[]> {
  const entries = await readdir(join(folder, below), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry): Promise<string[]> => {
      const path = join(below, entry.name);
      if (entry.isFile()) return /\.test\.[jt]s$/.test(entry.name) ? [path] : [];
      const isSource = entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name);
      return isSource ? await testFiles(folder, path) : [];
    }),
  );
  return found.flat().toSorted();
}

async function runFiles(
  folder: string,
  files: readonly string[],
  interrupt: Interrupt,
): Promise<number> {
  // Where the folder cannot be written, an editor has no types; the tests run all the same.
  await linkForEditor(folder).catch(() => undefined);
  const paths = files.map((file) => `./${file}`);
  const child = Bun.spawn(
    [
      process.execPath,
      "test",
      "--no-install",
      `--preload=${PRELOAD}`,
      `--timeout=${TEST_TIMEOUT_MS}`,
      ...paths,
    ],
    // The terminal's own, so that colours and an interrupt reach it.
    { cwd: folder, stdio: ["ignore", "inherit", "inherit"] },
  );
  void interrupt.requested.then(() => child.kill("SIGINT"));
  return child.exited;
}
