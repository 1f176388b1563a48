import { createAuthenticator } from "../../broker/auth/create-authenticator.ts";
import { Broker } from "../../broker/broker.ts";
import { buildConfig } from "../../broker/config/config.ts";
import type { ConfigInput } from "../../broker/config/config.ts";
import { createEngine } from "../../broker/engine/create-engine.ts";
import { RedisEngine } from "../../broker/engine/redis/redis-engine.ts";
import type { RedisEngineStats } from "../../broker/engine/redis/redis-engine.ts";
import { systemClock } from "../../broker/ports.ts";
import type { Logger } from "../../broker/ports.ts";
import { Stats } from "../../broker/stats.ts";
import { startBrokerProcess } from "../support/process.ts";
import type { BrokerProcess } from "../support/process.ts";
import { waitUntil } from "../support/redis/wait.ts";

/** Something a broker logged, and when. */
export interface NodeEvent {
  readonly atMs: number;
  readonly event: string;
}

/** A broker that clients can reach, wherever it runs. */
export interface ChaosNode extends AsyncDisposable {
  readonly name: string;
  url(): string;
  /** Null where it cannot be seen: in another process. */
  readonly stats: RedisEngineStats | null;
  readonly events: readonly NodeEvent[];
}

/** A broker of the real parts in this process, whose engine and log can be looked at. */
export async function startNode(name: string, input: ConfigInput): Promise<ChaosNode> {
  const config = buildConfig({ port: 0, log: "silent", node: name, ...input });
  const events: NodeEvent[] = [];
  const logger: Logger = {
    log: (_level, event) => events.push({ atMs: performance.now(), event }),
  };
  const engine = createEngine(config, systemClock, logger, new Stats());
  if (!(engine instanceof RedisEngine)) throw new Error("the configuration names no Redis");
  const broker = new Broker({
    config,
    engine,
    logger,
    authenticator: createAuthenticator(config, systemClock, logger),
    createHttpHandler: () => async () => new Response(null, { status: 404 }),
    isOriginAllowed: () => true,
  });
  await broker.start();
  await waitUntil(`${name} reaches Redis`, () => engine.isReady());
  return {
    name,
    url: () => broker.url,
    stats: engine.stats,
    events,
    [Symbol.asyncDispose]: () => broker.stop(),
  };
}

/** A broker in a process of its own, which can be killed, stopped and started again on the same port. */
export class ProcessNode implements ChaosNode {
  readonly name: string;
  readonly stats = null;
  readonly events: NodeEvent[] = [];
  readonly #args: readonly string[];
  #process: BrokerProcess;

  private constructor(name: string, args: readonly string[], process: BrokerProcess) {
    this.name = name;
    this.#args = args;
    this.#process = process;
  }

  /** @param args flags beside the name, such as `--redis url` */
  static async start(name: string, args: readonly string[]): Promise<ProcessNode> {
    const all = ["--node", name, ...args];
    return new ProcessNode(name, all, await startBrokerProcess(all));
  }

  url(): string {
    return this.#process.url;
  }

  async kill9(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  async restart(): Promise<void> {
    const { port } = this.#process;
    await this.kill9();
    this.#process = await startBrokerProcess([...this.#args, "--port", String(port)]);
  }

  /** It stands still; its connections stay open. */
  stop(): void {
    this.#process.kill("SIGSTOP");
  }

  resume(): void {
    this.#process.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
