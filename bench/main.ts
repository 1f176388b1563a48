import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { tickwireEntry } from "./broker-process.ts";
import type { CellContext } from "./cell.ts";
import { parseOptions, usage, UsageError } from "./options.ts";
import type { BenchOptions } from "./options.ts";
import { failures, progressLine, renderReport } from "./report.ts";
import type { Report } from "./report.ts";
import { cellCount, estimateMs, runRounds } from "./rounds.ts";
import { summarize } from "./summary.ts";
import { Children } from "./support/children.ts";
import { environment, findPinning } from "./support/environment.ts";

const profilesRoot = fileURLToPath(new URL("../.tickwire/profiles/", import.meta.url));

async function main(options: BenchOptions): Promise<number> {
  const children = new Children();
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, () => {
      children.killAll();
      process.exit(code);
    });
  }
  const began = environment();
  const profileDir = options.cpuProf
    ? profilesRoot + began.date.replaceAll(":", "-").slice(0, 19)
    : null;
  const pinning = options.pins ? findPinning() : null;
  const secret = randomBytes(32).toString("base64url");
  const context: CellContext = { options, children, pinning, profileDir, secret };

  let done = 0;
  const total = cellCount(options);
  console.error(`${total} cells, about ${Math.ceil(estimateMs(options) / 1000)} s`);
  const cells = await runRounds(context, (result) => {
    const isProbe = result.cell.round === 0;
    console.error(`[${isProbe ? "probe" : `${++done}/${total}`}] ${progressLine(result)}`);
  });

  const report: Report = {
    schema: 1,
    environment: began,
    pinning,
    options,
    profileDir,
    groups: summarize(cells),
    cells,
  };
  console.log(
    options.json ? JSON.stringify(report, withoutSecrets, 2) : `\n${renderReport(report)}`,
  );
  return failures(cells).length === 0 ? 0 : 1;
}

/** The token of a running broker came by the command line and does not belong into a result. */
function withoutSecrets(key: string, value: unknown): unknown {
  return key === "token" ? undefined : value;
}

function start(): Promise<number> | number {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === "help") {
      console.log(usage);
      return 0;
    }
    const needsOurs = options.running === null && options.brokers.includes("tickwire");
    const entry = options.entry ?? tickwireEntry;
    if (needsOurs && !existsSync(entry)) throw new UsageError(`there is no broker at ${entry}`);
    return main(options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\nTry --help.`);
    return 2;
  }
}

process.exitCode = await start();
