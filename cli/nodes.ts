import type { Subprocess } from "bun";

import type { BrokerConfig } from "../broker/config/config.ts";
import type { Logger, LogLevel } from "../broker/ports.ts";
import { CliError, ExitCode } from "./errors.ts";

/** A node that ends by itself is started again after this, twice as long each time, at most the second. */
const FIRST_RESTART_MS = 100;
const LAST_RESTART_MS = 5000;
/** After this long a node counts as well again, ms. */
const STABLE_MS = 10_000;

interface NodeProcess {
  readonly index: number;
  readonly process: Subprocess<"ignore", "pipe", "inherit">;
  readonly listening: Promise<void>;
  readonly startedMs: number;
  hasListened: boolean;
  /** We told it to end. */
  isEnding: boolean;
}

/**
 * Several broker processes on one port, each a child that listens with `reusePort`. One that ends by itself is
 * started again; SIGHUP replaces them one by one, each successor listening before its predecessor
 * drains; SIGTERM and SIGINT drain them one by one, a second one ends all at once.
 */
export class NodeGroup {
  readonly #config: BrokerConfig;
  readonly #argv: readonly string[];
  readonly #logger: Logger;
  readonly #nodes: (NodeProcess | null)[];
  readonly #ended = Promise.withResolvers<void>();
  #restartMs = FIRST_RESTART_MS;
  #isStarting = false;
  #isEnding = false;
  #work: Promise<void> = Promise.resolve();
  readonly port: number;

  constructor(config: BrokerConfig, argv: readonly string[], logger: Logger) {
    this.#config = config;
    this.#argv = argv;
    this.#logger = logger;
    this.#nodes = Array.from({ length: config.nodes }, () => null);
    this.port = config.port === 0 ? freePort(config.host) : config.port;
  }

  /**
   * Starts all nodes, and resolves with null when all listen. When one ends instead, all are ended, and it
   * resolves with the exit code to end with: the node itself has said why.
   * @throws CliError when a node ended without a word, of a signal say
   */
  async start(): Promise<number | null> {
    this.#isStarting = true;
    for (let index = 0; index < this.#nodes.length; index++) {
      const node = this.#spawn(index);
      this.#nodes[index] = node;
      try {
        await node.listening;
      } catch {
        const wasToldToEnd = this.#isEnding;
        await this.#endAll();
        if (wasToldToEnd) return ExitCode.done;
        return toldCode(await node.process.exited);
      }
    }
    this.#isStarting = false;
    return null;
  }

  /** Resolves when all nodes have ended after a signal. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  onSignal(signal: "SIGINT" | "SIGTERM" | "SIGHUP"): void {
    if (signal === "SIGHUP") {
      this.#work = this.#work.then(() => this.#replaceAll());
      return;
    }
    if (this.#isEnding) {
      for (const node of this.#nodes) node?.process.kill("SIGTERM");
      return;
    }
    this.#isEnding = true;
    void this.#work.then(() => this.#drainAll()).then(this.#ended.resolve, this.#ended.reject);
  }

  #spawn(index: number): NodeProcess {
    const { node, log } = this.#config;
    const child = Bun.spawn(
      [
        process.execPath,
        // Should this process be killed, its nodes end with it.
        "--no-orphans",
        Bun.main,
        "serve",
        ...withoutFlags(this.#argv),
        "--nodes=1",
        "--reuse-port",
        `--port=${this.port}`,
        `--node=${node}_${index}`,
        `--log=${log === "silent" ? "silent" : "json"}`,
      ],
      { stdin: "ignore", stdout: "pipe", stderr: "inherit", env: process.env },
    );
    const listening = Promise.withResolvers<void>();
    const spawned: NodeProcess = {
      index,
      process: child,
      listening: listening.promise,
      startedMs: performance.now(),
      hasListened: false,
      isEnding: false,
    };
    void this.#relay(child, () => {
      spawned.hasListened = true;
      listening.resolve();
    });
    void child.exited.then((code) => {
      listening.reject(new Error(`exit code ${code}`));
      this.#onExit(spawned, code);
    });
    // Whoever waits for it hears of the failure; nobody need.
    listening.promise.catch(() => {});
    return spawned;
  }

  /** Passes a node's log on, all but the line that says it listens: that is for us. */
  async #relay(child: NodeProcess["process"], onListening: () => void): Promise<void> {
    let rest = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.includes('"event":"listening"')) onListening();
        else this.#tell(line);
      }
    }
  }

  /** Logs a line of a node in the form that was asked for; nodes themselves always speak JSON to us. */
  #tell(line: string): void {
    const entry = this.#config.log === "pretty" ? logEntry(line) : null;
    if (entry === null) {
      process.stdout.write(`${line}\n`);
      return;
    }
    const { level, event, time: _, ...fields } = entry;
    this.#logger.log(level, event, fields);
  }

  #onExit(node: NodeProcess, code: number): void {
    if (this.#nodes[node.index] !== node) return;
    this.#nodes[node.index] = null;
    if (node.isEnding || this.#isEnding) return;
    // start() waits for it, and gives up.
    if (this.#isStarting && !node.hasListened) return;
    if (performance.now() - node.startedMs > STABLE_MS) this.#restartMs = FIRST_RESTART_MS;
    const inMs = this.#restartMs;
    this.#restartMs = Math.min(LAST_RESTART_MS, this.#restartMs * 2);
    this.#logger.log("error", "node_ended", { index: node.index, code, restartInMs: inMs });
    setTimeout(() => {
      if (!this.#isEnding && this.#nodes[node.index] === null) {
        this.#nodes[node.index] = this.#spawn(node.index);
      }
    }, inMs);
  }

  /** A rolling restart: there is always one more than needed, never one less. */
  async #replaceAll(): Promise<void> {
    for (const [index, old] of this.#nodes.entries()) {
      if (this.#isEnding) return;
      const next = this.#spawn(index);
      try {
        await next.listening;
      } catch {
        this.#logger.log("error", "node_not_replaced", { index });
        return;
      }
      this.#nodes[index] = next;
      if (old !== null) await end(old);
      this.#logger.log("info", "node_replaced", { index, pid: next.process.pid });
    }
  }

  async #drainAll(): Promise<void> {
    for (const node of this.#nodes) if (node !== null) await end(node);
  }

  async #endAll(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#nodes.filter((node) => node !== null).map(end));
  }
}

/** Flags that this process gives its nodes itself; all but the last take a value. */
const OWN_FLAGS = ["--nodes", "--port", "--node", "--log", "--reuse-port"] as const;

function withoutFlags(argv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] as string;
    const flag = OWN_FLAGS.find((name) => argument === name || argument.startsWith(`${name}=`));
    if (flag === undefined) kept.push(argument);
    else if (argument === flag && flag !== "--reuse-port") i++;
  }
  return kept;
}

interface LogEntry {
  readonly level: LogLevel;
  readonly event: string;
  readonly time?: unknown;
}

/** Null for a line that is no entry of a log. */
function logEntry(line: string): LogEntry | null {
  try {
    const entry = JSON.parse(line) as Partial<LogEntry> | null;
    const isEntry = typeof entry?.level === "string" && typeof entry.event === "string";
    return isEntry ? (entry as LogEntry) : null;
  } catch {
    return null; // Not JSON: somebody's own words on standard output.
  }
}

/** The exit code of a node that has said on standard error why it ends. @throws CliError for any other */
function toldCode(code: number): number {
  if (code === ExitCode.failed || code === ExitCode.usage) return code;
  throw new CliError(`a node ended with exit code ${code} before it listened`);
}

async function end(node: NodeProcess): Promise<void> {
  node.isEnding = true;
  node.process.kill("SIGTERM");
  await node.process.exited;
}

/** A port that was free a moment ago; all nodes then listen on it. */
function freePort(hostname: string): number {
  const listener = Bun.listen({ hostname, port: 0, socket: { data: () => {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
