import { resolve } from "node:path";

import { ExitCode, UsageError } from "../errors.ts";
import { formatCount, formatDuration } from "../format.ts";
import { parseArguments } from "../options.ts";
import { print } from "../output.ts";
import { channelOrPattern, wholeNumber } from "../values.ts";
import { ADMIN_OPTIONS, ask } from "./admin.ts";
import { JSON_OPTION, jsonValue } from "./arguments.ts";
import type { Subcommand } from "./subcommand.ts";

/** Messages of one version while a rollout compares it with another. */
interface Tally {
  readonly messages: number;
  readonly failed: number;
  readonly meanRunMs: number;
}

/** A version that is tried out, or has just taken over. */
interface Rollout {
  readonly mode: string;
  readonly version: string;
  readonly channels?: readonly string[];
  readonly percent?: number;
  readonly candidate?: Tally;
  readonly baseline?: Tally;
  /** Of a shadow. */
  readonly same?: number;
  readonly different?: number;
  readonly shadow?: Tally;
  readonly served?: Tally;
  readonly endedBecause: string | null;
}

/** The part of a transform's status that is shown. */
interface Status {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly previousVersion: string | null;
  readonly state: string;
  readonly channels: readonly string[];
  readonly onError: string;
  readonly lanes: number;
  readonly queued: number;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly restarts: Readonly<Record<string, number>>;
  readonly queueMs: { readonly p50: number; readonly p99: number };
  readonly runMs: { readonly p50: number; readonly p99: number };
  readonly recentFaults: readonly {
    readonly atMs: number;
    readonly type: string;
    readonly message: string;
    readonly channel: string | null;
  }[];
  readonly rollout: unknown;
}

const COMMON = { json: JSON_OPTION, ...ADMIN_OPTIONS } as const;

const DEPLOY_OPTIONS = {
  use: {
    type: "string",
    value: "<path|package>",
    text: "what to load; default: what is bound, read anew",
  },
  config: { type: "string", value: "<json|@file>", text: "default: that of the binding" },
  shadow: {
    type: "string",
    value: "<percent>",
    text: "give it a copy of this share of the traffic; nothing of it is published",
  },
  canary: {
    type: "string",
    multiple: true,
    value: "<pattern>",
    text: "let it serve these channels only; may be given more than once",
  },
  ...COMMON,
} as const;

export const status: Subcommand = {
  usage: "status [binding]",
  summary: "how the transforms of a running broker do",
  options: COMMON,

  async run(argv) {
    const { options, positionals } = parseArguments(COMMON, argv);
    if (positionals.length > 1) throw new UsageError("status takes one binding at most");
    const answer = (await ask(options, "/v1/transforms")) as { transforms: Status[] };
    const [id] = positionals;
    const found = answer.transforms.filter((one) => id === undefined || one.id === id);
    if (id !== undefined && found.length === 0) {
      const known = answer.transforms.map((one) => one.id).join(", ");
      throw new UsageError(`there is no binding ${id}; there are ${known === "" ? "none" : known}`);
    }
    const text =
      found.length === 0 ? "no transforms are bound" : found.map(statusText).join("\n\n");
    await print(options.json === true ? json(found) : `${text}\n`);
    return ExitCode.done;
  },
};

export const deploy: Subcommand = {
  usage: "deploy <binding> [--use <path>] [--shadow <percent> | --canary <pattern>]",
  summary: "has a running broker load a version, test it and take it into use",
  options: DEPLOY_OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(DEPLOY_OPTIONS, argv);
    const { use, config, shadow, canary } = options;
    if (shadow !== undefined && canary !== undefined) {
      throw new UsageError("--shadow and --canary exclude each other");
    }
    const isPath = use !== undefined && /^[./]/.test(use);
    return change(options, {
      action: "deploy",
      id: bindingOf("deploy", positionals),
      ...(use === undefined ? {} : { use: isPath ? resolve(use) : use }),
      ...(config === undefined ? {} : { config: jsonValue("--config", config) }),
      ...(shadow === undefined
        ? {}
        : { mode: { type: "shadow", percent: wholeNumber("--shadow", shadow, 1, 100) } }),
      ...(canary === undefined
        ? {}
        : { mode: { type: "canary", channels: canary.map(channelOrPattern) } }),
    });
  },
};

export const promote: Subcommand = {
  usage: "promote <binding>",
  summary: "lets the version that is tried out replace the one that serves",
  options: COMMON,

  async run(argv) {
    const { options, positionals } = parseArguments(COMMON, argv);
    return change(options, { action: "promote", id: bindingOf("promote", positionals) });
  },
};

export const rollback: Subcommand = {
  usage: "rollback <binding>",
  summary: "goes back to the version before, or ends what is tried out",
  options: COMMON,

  async run(argv) {
    const { options, positionals } = parseArguments(COMMON, argv);
    return change(options, { action: "rollback", id: bindingOf("rollback", positionals) });
  },
};

async function change(
  options: Parameters<typeof ask>[0] & { readonly json: boolean | undefined },
  request: object,
): Promise<number> {
  const answer = (await ask(options, "/v1/transforms", request)) as Status;
  await print(options.json === true ? json(answer) : `${statusText(answer)}\n`);
  return ExitCode.done;
}

function bindingOf(command: string, positionals: readonly string[]): string {
  const [id, ...rest] = positionals;
  if (id === undefined || rest.length > 0) throw new UsageError(`${command} needs one binding`);
  return id;
}

function statusText(one: Status): string {
  const { id, name, version, previousVersion, state, rollout } = one;
  const before = previousVersion === null ? "" : ` (before: ${previousVersion})`;
  const lines = [
    `${id}: ${name} ${version}${before}, ${state}`,
    `  channels  ${one.channels.join(" ")}; on error: ${one.onError}`,
    `  verdicts  ${counts(one.verdicts)}`,
    `  waiting   ${formatCount(one.queued)} in ${formatCount(one.lanes)} lanes; p50 ${formatDuration(one.queueMs.p50)}, p99 ${formatDuration(one.queueMs.p99)}`,
    `  running   p50 ${formatDuration(one.runMs.p50)}, p99 ${formatDuration(one.runMs.p99)}`,
    `  faults    ${counts(one.faults)}; restarts: ${counts(one.restarts)}`,
  ];
  if (rollout !== null) lines.push(...rolloutText(rollout as Rollout));
  for (const { atMs, type, message, channel } of one.recentFaults.slice(-3)) {
    const where = channel === null ? "" : ` on ${channel}`;
    lines.push(`  ${new Date(atMs).toISOString()}  ${type}${where}: ${message}`);
  }
  return lines.join("\n");
}

function rolloutText(rollout: Rollout): string[] {
  const { mode, version, percent, channels, same, different, endedBecause } = rollout;
  const share = percent === undefined ? "" : ` of ${percent} %`;
  const where = channels === undefined ? "" : ` on ${channels.join(" ")}`;
  const compared =
    same === undefined || different === undefined
      ? ""
      : `; outputs: ${formatCount(same)} the same, ${formatCount(different)} different`;
  const end = endedBecause === null ? "" : `; ended: ${endedBecause}`;
  const lines = [`  rollout   ${mode}${share} ${version}${where}${compared}${end}`];
  const [own, other] = [rollout.candidate ?? rollout.shadow, rollout.baseline ?? rollout.served];
  if (own !== undefined) lines.push(`            ${version}: ${tallyText(own)}`);
  if (other !== undefined) lines.push(`            beside it: ${tallyText(other)}`);
  return lines;
}

function tallyText({ messages, failed, meanRunMs }: Tally): string {
  return `${formatCount(messages)} messages, ${formatCount(failed)} failed, ${meanRunMs.toFixed(3)} ms each`;
}

function counts(values: Readonly<Record<string, number>>): string {
  const found = Object.entries(values).filter(([, count]) => count > 0);
  return found.map(([name, count]) => `${name} ${formatCount(count)}`).join(", ") || "none";
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
