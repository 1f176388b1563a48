import type { Broker } from "../broker/broker.ts";
import { configHelp } from "../broker/config/config-text.ts";
import type { BrokerConfig } from "../broker/config/config.ts";
import { resolveConfig } from "../broker/config/resolve.ts";
import { hasTokenKey } from "../broker/config/rules.ts";
import { createLogger } from "../broker/logger.ts";
import { createBroker, startBrokerTelemetry } from "../broker/main.ts";
import type { Logger } from "../broker/ports.ts";
import type { Command } from "./command.ts";
import { asUsageError, checkFlags } from "./config-usage.ts";
import { OTHER_VARIABLES } from "./environment.ts";
import { CliError, ExitCode } from "./errors.ts";
import { plural } from "./format.ts";
import { NodeGroup } from "./nodes.ts";
import { say } from "./output.ts";

/** For what waits to be exported when the broker has ended; a collector that is down holds nobody up longer. */
const TELEMETRY_END_MS = 2000;

export const serve: Command = {
  help: () => `tickwire serve [options]

Starts a broker and serves until SIGINT (Ctrl-C) or SIGTERM. Then it drains: it
takes no new connections, tells its clients to reconnect and closes them evenly
over --drain-ms. A second signal ends it at once. Without clients it ends at once.

With --log json, standard output carries one JSON object a line; the first with
"event":"listening" has the port and the URL.

${configHelp()}

Exit codes: 0 drained or stopped, 1 the configuration is wrong or the port is taken,
2 an option is wrong.`,

  async run(argv) {
    const config = await readConfig(argv);
    // A reader of the log that goes away does not take the broker with it.
    process.stdout.on("error", () => {});
    const { log: form, logLevel: level } = config;
    if (config.nodes > 1) return await serveNodes(config, argv);
    const logger = createLogger({ form, level });
    const telemetry = await startBrokerTelemetry(config, logger);
    const broker = createBroker(config, { logger, telemetry });
    // Before it listens: whoever sees the listening line may send a signal at once.
    const ended = endBySignal(broker, config, logger);
    try {
      await broker.start();
    } catch (error) {
      throw cannotStart(error as Error & { code?: string }, config);
    }
    announce(broker, config);
    await ended;
    await telemetry?.shutdown(TELEMETRY_END_MS);
    return ExitCode.done;
  },
};

/** Several processes on one port, until a signal ends them. */
async function serveNodes(config: BrokerConfig, argv: readonly string[]): Promise<number> {
  const logger = createLogger({ form: config.log, level: config.logLevel });
  const group = new NodeGroup(config, argv, logger);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => group.onSignal(signal));
  }
  const code = await group.start();
  if (code !== null) return code;
  const { host } = config;
  const url = `ws://${host.includes(":") ? `[${host}]` : host}:${group.port}`;
  announce({ port: group.port, url }, config);
  await group.ended;
  return ExitCode.done;
}

async function readConfig(argv: readonly string[]): Promise<BrokerConfig> {
  const { env } = process;
  checkFlags(argv);
  try {
    const request = { argv, env, cwd: process.cwd(), otherVariables: OTHER_VARIABLES };
    return (await resolveConfig(request)).config;
  } catch (error) {
    throw asUsageError(error);
  }
}

/** Resolves once a signal has ended the broker: the first drains it, the second stops it at once. */
function endBySignal(broker: Broker, config: BrokerConfig, logger: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    const onSignal = (signal: NodeJS.Signals): void => {
      tellEnd(broker, config, logger, signal);
      // Broker.drain called again cuts the first call short.
      broker.drain().then(resolve, reject);
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
}

/** Says why it takes a while, when it does. */
function tellEnd(
  broker: Broker,
  { drainMs, log }: BrokerConfig,
  logger: Logger,
  signal: NodeJS.Signals,
): void {
  const { status, connections } = broker.api.health();
  const isDraining = status === "draining";
  if (log !== "pretty") {
    logger.log("info", isDraining ? "stopping" : "draining", { signal, connections });
  } else if (isDraining) say("Stopping at once.");
  else if (connections > 0) {
    const clients = plural(connections, "client");
    say(`Draining: ${clients} moved within ${drainMs / 1000} s. Ctrl-C again stops at once.`);
  }
}

function cannotStart(error: Error & { code?: string }, { host, port }: BrokerConfig): Error {
  const address = `${host}:${port}`;
  switch (error.code) {
    case "EADDRINUSE":
      return new CliError(
        `port ${port} of ${host} is taken; end what listens there, or choose another port with --port (0 takes any free one)`,
      );
    case "EACCES":
      return new CliError(
        `not allowed to listen on ${address}; choose a port above 1023 with --port`,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CliError(`${host} is no address of this machine; choose another with --host`);
    default:
      return new CliError(`cannot start: ${error.message}`, { cause: error });
  }
}

/** Says where the broker is, to programs or to people. */
function announce({ port, url }: Pick<Broker, "port" | "url">, config: BrokerConfig): void {
  const httpUrl = url.replace(/^ws:/, "http:");
  const isAnonymous = !hasTokenKey(config);
  if (config.log === "json") {
    // Programs wait for this line, whatever the log level.
    const fields = { port, url, httpUrl, node: config.node, pid: process.pid, isAnonymous };
    listeningLogger().log("info", "listening", fields);
  } else if (config.log === "pretty") {
    const access = isAnonymous
      ? "No token key is set: whoever can reach it may use every channel."
      : "Clients need a token; `tickwire token` makes one.";
    say(`Tickwire listens on ${url} (HTTP API: ${httpUrl}).`);
    say(`${access} Ctrl-C stops it.`);
  }
}

function listeningLogger(): Logger {
  return createLogger({ form: "json", level: "info" });
}
