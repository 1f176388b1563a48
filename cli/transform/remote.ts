import { resolve } from "node:path";

import { tellMissing } from "../coverage.ts";
import type { Coverage } from "../coverage.ts";
import { ExitCode, UsageError } from "../errors.ts";
import { parseArguments } from "../options.ts";
import { print } from "../output.ts";
import { channelOrPattern, wholeNumber } from "../values.ts";
import { ADMIN_OPTIONS, ask } from "./admin.ts";
import { JSON_OPTION, jsonValue } from "./arguments.ts";
import { askAbout, unknownBinding } from "./bindings.ts";
import { statusesText } from "./status-text.ts";
import type { Status } from "./status-text.ts";
import type { Subcommand } from "./subcommand.ts";

const COMMON = { json: JSON_OPTION, ...ADMIN_OPTIONS } as const;

const CHANGE_OPTIONS = {
  node: {
    type: "string",
    value: "<name>",
    text: "only on this broker; default: on all of the cluster",
  },
  ...COMMON,
} as const;

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
  ...CHANGE_OPTIONS,
} as const;

export const status: Subcommand = {
  usage: "status [binding]",
  summary: "how the transforms of a running broker do",
  options: COMMON,

  async run(argv) {
    const { options, positionals } = parseArguments(COMMON, argv);
    if (positionals.length > 1) throw new UsageError("status takes one binding at most");
    const answer = (await ask(options, "/v1/transforms")) as Coverage & {
      readonly transforms: readonly Status[];
    };
    const [id] = positionals;
    const found = answer.transforms.filter((one) => id === undefined || one.id === id);
    if (id !== undefined && found.length === 0) {
      const known = answer.transforms.map((one) => one.id);
      throw new UsageError(unknownBinding(id, known));
    }
    const text = found.length === 0 ? "no transforms are bound" : statusesText(found);
    await print(options.json === true ? json(found) : `${text}\n`);
    tellMissing(answer);
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
  options: CHANGE_OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(CHANGE_OPTIONS, argv);
    return change(options, { action: "promote", id: bindingOf("promote", positionals) });
  },
};

export const rollback: Subcommand = {
  usage: "rollback <binding>",
  summary: "goes back to the version before, or ends what is tried out",
  options: CHANGE_OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(CHANGE_OPTIONS, argv);
    return change(options, { action: "rollback", id: bindingOf("rollback", positionals) });
  },
};

/** Fails when a node did not do it, or may not have: then they serve different versions. */
async function change(
  options: Parameters<typeof ask>[0] & {
    readonly json: boolean | undefined;
    readonly node: string | undefined;
  },
  request: { readonly id: string } & Readonly<Record<string, unknown>>,
): Promise<number> {
  const { node } = options;
  const answer = (await askAbout(request.id, options, "/v1/transforms", {
    ...request,
    ...(node === undefined ? {} : { node }),
  })) as Status & Coverage & { readonly nodes: readonly Status[] };
  await print(options.json === true ? json(answer) : `${statusesText(answer.nodes)}\n`);
  return tellMissing(answer) ? ExitCode.failed : ExitCode.done;
}

function bindingOf(command: string, positionals: readonly string[]): string {
  const [id, ...rest] = positionals;
  if (id === undefined || rest.length > 0) throw new UsageError(`${command} needs one binding`);
  return id;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
