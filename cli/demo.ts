import type { Command } from "./command.ts";
import { DemoBroker } from "./demo/broker-process.ts";
import type { Feed } from "./demo/feed.ts";
import { FileFeed } from "./demo/file-feed.ts";
import { MarketFeed } from "./demo/market-feed.ts";
import { Stage } from "./demo/stage.ts";
import { View } from "./demo/view.ts";
import { CliError, ExitCode, UsageError } from "./errors.ts";
import { Interrupt } from "./interrupt.ts";
import { optionsHelp, parseArguments } from "./options.ts";
import type { OptionValues } from "./options.ts";
import { positiveNumber, wholeNumber } from "./values.ts";

const DEFAULT_SECONDS = 20;
const DEFAULT_PER_SECOND = 2000;
const MAX_PER_SECOND = 50_000;

const OPTIONS = {
  seconds: { type: "string", value: "<n>", text: `how long; default ${DEFAULT_SECONDS}` },
  rate: {
    type: "string",
    value: "<n>",
    text: `quotes a second of the made-up feed, on average; default ${DEFAULT_PER_SECOND}`,
  },
  seed: { type: "string", value: "<n>", text: "the same seed gives the same feed; default 1" },
  file: {
    type: "string",
    short: "f",
    value: "<file>",
    text: "replay this feed instead, NDJSON or CSV, with its own gaps where it has times",
  },
  speed: {
    type: "string",
    value: "<x>",
    text: "with --file: 2 plays twice as fast; default: what lets it fit",
  },
} as const;

type Options = OptionValues<typeof OPTIONS>;

export const demo: Command = {
  help: () => `tickwire demo [options]

Starts a broker in a process of its own, publishes a market feed and shows what
four subscribers get: one of a channel, one of a pattern, one that reads slowly,
and one whose connection is cut again and again. Delays are measured from
publishing to the subscriber's callback, all in this process. The broker ends
with the demo.

${optionsHelp(OPTIONS)}

Exit codes: 0 shown, also when Ctrl-C ends it; 1 something was lost; 2 wrong usage.`,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    if (positionals.length > 0) throw new UsageError("takes no arguments; a feed is --file");
    const totalMs = 1000 * positiveNumber("--seconds", options.seconds ?? `${DEFAULT_SECONDS}`);
    const feed = createFeed(options, totalMs);
    const interrupt = new Interrupt();
    await using broker = await DemoBroker.start();
    await using stage = await Stage.open(broker.url, feed);
    const startMs = performance.now();
    const view = new View(() => ({
      url: broker.url,
      brokerPid: broker.pid,
      feedDescription: feed.description,
      channels: feed.channels,
      elapsedMs: Math.min(totalMs, performance.now() - startMs),
      totalMs,
      stage,
    }));
    const exitCode = await Promise.race([Bun.sleep(totalMs), interrupt.requested, broker.exited]);
    await stage.stop();
    if (!interrupt.isRequested) await stage.caughtUp();
    await view.end();
    if (typeof exitCode === "number") {
      throw new CliError(`the broker ended with exit code ${exitCode}`);
    }
    return stage.isWhole ? ExitCode.done : ExitCode.failed;
  },
};

function createFeed({ file, speed, rate, seed }: Options, totalMs: number): Feed {
  if (file === undefined) {
    if (speed !== undefined) throw new UsageError("--speed needs --file");
    const perSecond = wholeNumber("--rate", rate ?? `${DEFAULT_PER_SECOND}`, 1, MAX_PER_SECOND);
    return new MarketFeed(wholeNumber("--seed", seed ?? "1", 0, 0xffff_ffff), perSecond);
  }
  if (rate !== undefined || seed !== undefined) {
    throw new UsageError("--rate and --seed are for the made-up feed, not for --file");
  }
  return new FileFeed(
    file,
    speed === undefined ? null : positiveNumber("--speed", speed),
    0.95 * totalMs,
  );
}
