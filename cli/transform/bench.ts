import { slabOf } from "../../workers/testing/crossing.ts";
import { message } from "../../workers/testing/message.ts";
import type { TestMessage } from "../../workers/testing/message.ts";
import { CliError, ExitCode } from "../errors.ts";
import { Interrupt } from "../interrupt.ts";
import { parseArguments } from "../options.ts";
import { print, say } from "../output.ts";
import { channelName, positiveNumber, wholeNumber } from "../values.ts";
import { JSON_OPTION, LOAD_OPTIONS, loadOptions, pathOf, payloadBytes } from "./arguments.ts";
import { benchText } from "./bench-text.ts";
import type { BenchReport } from "./bench-text.ts";
import { LoadedTransform } from "./loaded-transform.ts";
import { measure } from "./measure.ts";
import { packagedSamples } from "./samples.ts";
import type { Samples } from "./samples.ts";
import type { Subcommand } from "./subcommand.ts";
import { findTarget } from "./target.ts";

const MAX_SECONDS = 600;
/** Longest for the messages one by one, and for the load before each measurement, s. */
const MAX_SINGLE_SECONDS = 1;
const WARM_UP_SECONDS = 0.3;
/** So many different batches are sent in turn. */
const MAX_SLABS = 64;

const OPTIONS = {
  seconds: { type: "string", value: "<n>", text: "length of the measurement; default: 2" },
  batch: { type: "string", value: "<n>", text: "messages in a batch; default: its limit" },
  data: {
    type: "string",
    short: "d",
    multiple: true,
    value: "<text|@file>",
    text: "a payload; may be given more than once. Default: the messages of cases/*.json",
  },
  lines: { type: "string", value: "<file>", text: "payloads, one a line" },
  channel: {
    type: "string",
    short: "c",
    value: "<name>",
    text: "of --data and --lines; default: bench.1",
  },
  json: JSON_OPTION,
  ...LOAD_OPTIONS,
  config: { ...LOAD_OPTIONS.config, text: "its configuration; default: that of the first case" },
} as const;

export const bench: Subcommand = {
  usage: "bench [path]",
  summary: "measures it in a worker: in batches, as a broker sends them, and one by one",
  options: OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    const seconds =
      options.seconds === undefined ? 2 : positiveNumber("--seconds", options.seconds);
    const { config, emit } = loadOptions(options);
    const target = findTarget(pathOf(positionals));
    const given = givenMessages(options);
    const samples = await packagedSamples(target);
    const interrupt = new Interrupt();
    await using transform = await LoadedTransform.load(target, {
      config: options.config === undefined ? samples.config : config,
      emit: options.emit === undefined ? [">"] : emit,
    });
    const { manifest } = transform;
    const batch =
      options.batch === undefined
        ? manifest.limits.batch
        : wholeNumber("--batch", options.batch, 1, manifest.limits.batch);
    const messages = messagesOf(given, samples);
    const phase = async (what: string, size: number, forSeconds: number) => {
      say(`${what}: ${forSeconds} s`);
      const slabs = slabsOf(messages, size, transform);
      const ms = Math.min(forSeconds, MAX_SECONDS) * 1000;
      return measure(transform, slabs, size, ms, interrupt);
    };
    await phase("warming up", batch, Math.min(seconds, WARM_UP_SECONDS));
    const batched = await phase(`batches of ${batch}`, batch, seconds);
    const single = await phase("one by one", 1, Math.min(seconds, MAX_SINGLE_SECONDS));
    const report: BenchReport = {
      name: manifest.name,
      version: manifest.version,
      payloads: messages.length,
      meanPayloadBytes: messages.reduce((sum, one) => sum + one.bytes.length, 0) / messages.length,
      batch,
      batched,
      single,
    };
    await print(options.json === true ? `${JSON.stringify(report, null, 2)}\n` : benchText(report));
    return interrupt.code ?? ExitCode.done;
  },
};

function givenMessages(options: {
  readonly data: readonly string[] | undefined;
  readonly lines: string | undefined;
  readonly channel: string | undefined;
}): TestMessage[] {
  const channel = channelName(options.channel ?? "bench.1");
  const lines =
    options.lines === undefined
      ? []
      : new TextDecoder().decode(payloadBytes(`@${options.lines}`)).split(/\r?\n/);
  const payloads = [
    ...(options.data ?? []).map(payloadBytes),
    ...lines.filter((line) => line !== "").map((line) => new TextEncoder().encode(line)),
  ];
  return payloads.map((bytes) => message(channel, bytes));
}

function messagesOf(given: readonly TestMessage[], { messages }: Samples): readonly TestMessage[] {
  const found = given.length > 0 ? given : messages;
  if (found.length > 0) return found;
  throw new CliError("there is nothing to send: no cases/*.json; give --data or --lines");
}

/** Batches that go round the messages, so that each begins where the one before has ended. */
function slabsOf(
  messages: readonly TestMessage[],
  size: number,
  { manifests }: LoadedTransform,
): Uint8Array[] {
  const rounds = Math.ceil(messages.length / size);
  return Array.from({ length: Math.min(MAX_SLABS, rounds) }, (_, round) => {
    const batch = Array.from(
      { length: size },
      (__, i) => messages[(round * size + i) % messages.length] as TestMessage,
    );
    return slabOf(batch, manifests);
  });
}
