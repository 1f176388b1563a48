import { nearest } from "../../broker/config/suggest.ts";
import { ExitCode, UsageError } from "../errors.ts";
import { formatDuration } from "../format.ts";
import { parseArguments } from "../options.ts";
import type { OptionValues } from "../options.ts";
import { print } from "../output.ts";
import { ADMIN_OPTIONS, ask } from "../transform/admin.ts";
import { JSON_OPTION } from "../transform/arguments.ts";
import type { Subcommand } from "../transform/subcommand.ts";
import { channelOrPattern, durationMs } from "../values.ts";
import { table } from "./table.ts";

/** The longest a rule may hold, ms. */
const MAX_RULE_MS = 900_000;

interface Rule {
  readonly id: string;
  readonly channel: string | null;
  readonly user: string | null;
  readonly connection: string | null;
  readonly expiresAtMs: number;
}

const OPTIONS = {
  channel: { type: "string", short: "c", value: "<pattern>", text: "channels it is for" },
  user: { type: "string", value: "<user>", text: "who publishes" },
  connection: { type: "string", value: "<id>", text: "whose connection publishes" },
  for: { type: "string", value: "<time>", text: "how long it holds, up to 15m; default: 1m" },
  json: JSON_OPTION,
  ...ADMIN_OPTIONS,
} as const;

type Options = OptionValues<typeof OPTIONS>;

const ACTIONS: Readonly<
  Record<string, (options: Options, rest: readonly string[]) => Promise<unknown>>
> = { add, list, remove };

export const rule: Subcommand = {
  usage: "rule add|list|remove [id]",
  summary: "has every publication traced, for a while and on all nodes, that fits what is given",
  options: OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    const [name, ...rest] = positionals;
    const names = Object.keys(ACTIONS);
    if (name === undefined) throw new UsageError(`rule needs one of ${names.join(", ")}`);
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (action === undefined) {
      const hint = nearest(name, names);
      throw new UsageError(
        `there is no rule ${name}; ${hint === null ? `there are ${names.join(", ")}` : `did you mean ${hint}?`}`,
      );
    }
    const { rules } = (await action(options, rest)) as { readonly rules: readonly Rule[] };
    await print(options.json === true ? `${JSON.stringify(rules, null, 2)}\n` : rulesText(rules));
    return ExitCode.done;
  },
};

function add(options: Options, rest: readonly string[]): Promise<unknown> {
  if (rest.length > 0) throw new UsageError("rule add takes options, no arguments");
  const { channel, user, connection } = options;
  if (channel === undefined && user === undefined && connection === undefined) {
    throw new UsageError("rule add needs --channel, --user or --connection");
  }
  const ttlMs =
    options.for === undefined ? undefined : durationMs("--for", options.for, MAX_RULE_MS);
  return ask(options, "/v1/trace/rules", {
    ...(channel === undefined ? {} : { channel: channelOrPattern(channel) }),
    ...(user === undefined ? {} : { user }),
    ...(connection === undefined ? {} : { connection }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  });
}

function list(options: Options, rest: readonly string[]): Promise<unknown> {
  if (rest.length > 0) throw new UsageError("rule list takes no arguments");
  return ask(options, "/v1/trace/rules");
}

function remove(options: Options, [id, ...rest]: readonly string[]): Promise<unknown> {
  if (id === undefined || rest.length > 0) throw new UsageError("rule remove needs one id");
  return ask(options, "/v1/trace/rules", { action: "remove", id });
}

function rulesText(rules: readonly Rule[]): string {
  if (rules.length === 0) return "no rules\n";
  const rows = rules.map(({ id, channel, user, connection, expiresAtMs }) => [
    id,
    channel ?? "",
    user ?? "",
    connection ?? "",
    formatDuration(Math.max(0, expiresAtMs - Date.now())),
  ]);
  return `${table(["id", "channel", "user", "connection", "left"], rows)}\n`;
}
