import { jsonPayload } from "../../protocol/json-codec.ts";
import { message } from "../../workers/testing/message.ts";
import { sendMessages } from "../../workers/testing/send-batch.ts";
import { ExitCode, UsageError } from "../errors.ts";
import { parseArguments } from "../options.ts";
import { print } from "../output.ts";
import { channelName } from "../values.ts";
import { ADMIN_OPTIONS } from "./admin.ts";
import { JSON_OPTION, LOAD_OPTIONS, loadOptions, payloadBytes } from "./arguments.ts";
import { askAbout } from "./bindings.ts";
import { LoadedTransform } from "./loaded-transform.ts";
import { asOutcome, outcomeText } from "./outcome-text.ts";
import type { Outcome } from "./outcome-text.ts";
import type { Subcommand } from "./subcommand.ts";
import { findTarget } from "./target.ts";

const OPTIONS = {
  id: { type: "string", value: "<binding>", text: "a transform of a running broker" },
  channel: { type: "string", short: "c", value: "<name>", text: "the channel it sees it on" },
  data: {
    type: "string",
    short: "d",
    multiple: true,
    value: "<text|@file>",
    text: "a payload; may be given more than once, and then they are one batch",
  },
  json: JSON_OPTION,
  ...LOAD_OPTIONS,
  ...ADMIN_OPTIONS,
} as const;

export const dryRun: Subcommand = {
  usage: "dry-run [path] -c <channel> -d <data>, or --id <binding> -c … -d …",
  summary: "shows what becomes of payloads, here or in a running broker; publishes nothing",
  options: OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    const { id, channel, data, json } = options;
    if (channel === undefined || data === undefined) {
      throw new UsageError("dry-run needs --channel and --data");
    }
    if (id !== undefined && positionals.length > 0) {
      throw new UsageError("dry-run takes either a path or --id");
    }
    if (positionals.length > 1) throw new UsageError("dry-run takes one path");
    channelName(channel);
    const payloads = data.map(payloadBytes);
    let outcomes: readonly Outcome[];
    if (id === undefined) {
      const load = loadOptions(options);
      const target = findTarget(positionals[0] ?? ".");
      await using transform = await LoadedTransform.load(target, load);
      const messages = payloads.map((bytes) => message(channel, bytes));
      outcomes = (await sendMessages(transform, messages)).map(asOutcome);
    } else {
      const body = { id, channel, payloads: payloads.map(jsonPayload) };
      const answer = await askAbout(id, options, "/v1/transforms/dry-run", body);
      ({ outcomes } = answer as { outcomes: Outcome[] });
    }
    await print(
      json === true
        ? `${JSON.stringify({ outcomes }, null, 2)}\n`
        : `${outcomes.map(outcomeText).join("\n")}\n`,
    );
    return ExitCode.done;
  },
};
