import type { TransformManifest } from "../../workers/boundary/worker-link.ts";
import { StageError } from "../../workers/runtime/stage-error.ts";
import { CliError, ExitCode } from "../errors.ts";
import { formatSize } from "../format.ts";
import { parseArguments } from "../options.ts";
import { print } from "../output.ts";
import { JSON_OPTION, pathOf } from "./arguments.ts";
import { faultText } from "./loaded-transform.ts";
import { prepareHere } from "./prepare.ts";
import type { Subcommand } from "./subcommand.ts";
import { findTarget } from "./target.ts";
import type { Target } from "./target.ts";

const OPTIONS = { json: JSON_OPTION } as const;

export const inspect: Subcommand = {
  usage: "inspect [path|package]",
  summary: "what a transform says of itself, and the schema of its configuration",
  options: OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    const manifest = await readManifest(findTarget(pathOf(positionals)));
    await print(
      options.json === true ? `${JSON.stringify(manifest, finite, 2)}\n` : manifestText(manifest),
    );
    return ExitCode.done;
  },
};

/** @throws CliError */
async function readManifest(target: Target): Promise<TransformManifest> {
  try {
    const { module, manifest } = await prepareHere(target);
    module.dispose();
    return manifest;
  } catch (error) {
    if (!(error instanceof StageError)) throw error;
    throw new CliError(faultText(error.fault), { cause: error });
  }
}

/** JSON has no Infinity. */
function finite(_name: string, value: unknown): unknown {
  return value === Infinity ? null : value;
}

function manifestText(manifest: TransformManifest): string {
  const { match, limits } = manifest;
  const most = match.maxBytes === Infinity ? "" : ` to ${formatSize(match.maxBytes)}`;
  const lane = manifest.hasLaneState
    ? `a state for each lane, ${manifest.hasSnapshot ? "with" : "without"} snapshots${manifest.lookBack > 0 ? `, ${manifest.lookBack} publications of history` : ""}`
    : "none";
  const rows: [string, string][] = [
    ["description", manifest.description ?? "-"],
    ["file", manifest.file],
    ["integrity", `sha256 ${manifest.integrity}`],
    ["api", String(manifest.api)],
    ["channels", match.channels?.join(" ") ?? "all that are bound"],
    [
      "payloads",
      match.minBytes === 0 && most === ""
        ? "all"
        : `${formatSize(match.minBytes)}${most === "" ? " or more" : most}`,
    ],
    ["order", manifest.order],
    ["lane state", lane],
    ["process", manifest.isAsync ? "async" : "sync"],
    ["fail closed", manifest.failClosed ? "yes: onError may not be pass" : "no"],
    [
      "limits",
      `${limits.batch} messages and ${formatSize(limits.batchBytes)} a batch, ${limits.timeoutMs} ms a message, heap ${limits.heapMb} MiB, ${limits.maxEmissions} emissions, ${limits.laneQueue} waiting in a lane`,
    ],
  ];
  const lines = rows.map(([name, value]) => `  ${name.padEnd(12)}${value}`);
  const schema =
    manifest.configSchema === null
      ? "  configuration: its schema cannot be shown as JSON Schema, or there is none"
      : `  configuration:\n${JSON.stringify(manifest.configSchema, null, 2).replaceAll(/^/gm, "    ")}`;
  return `${manifest.name} ${manifest.version}\n${lines.join("\n")}\n${schema}\n`;
}
