import { join } from "node:path";

import { redisServerProgram } from "./binary.ts";
import { configText, SENTINEL_DIRECTIVES, SERVER_DIRECTIVES } from "./config-file.ts";
import type { Directives } from "./config-file.ts";
import type { PortBlock } from "./port-block.ts";
import { processState } from "./process-state.ts";
import { RespConnection } from "./resp-connection.ts";
import type { RespAddress } from "./resp-connection.ts";
import type { Argument, Reply } from "./resp.ts";
import { ProcessEndedError, SupervisedProcess } from "./supervised-process.ts";
import { waitUntil } from "./wait.ts";

const HOST = "127.0.0.1";
const READY = /Ready to accept connections|Sentinel ID is/;
const PORT_IN_USE = /Address already in use/;
const MAX_PORT_TRIES = 10;

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface ServerSpec {
  /** Called for each port that is tried, after one was in use. */
  readonly directives: (port: number) => Directives;
  /** Files of the folder, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Runs as a Sentinel. */
  readonly isSentinel?: boolean;
  /** Of the connection that `command` uses. */
  readonly password?: string | undefined;
  /** What the URL carries; default: the password. */
  readonly urlCredentials?: Credentials | undefined;
  /** PEM. With it the port speaks TLS. */
  readonly certificate?: string | undefined;
}

/**
 * A redis-server in a process and a temporary folder of its own. It keeps its port and its folder when it is
 * killed and restarted. Disposing of it kills it and removes the folder.
 */
export class RedisServer implements AsyncDisposable {
  readonly host = HOST;
  readonly port: number;
  readonly #process: SupervisedProcess;
  readonly #spec: ServerSpec;
  readonly #owned = new AsyncDisposableStack();
  #connection: RespConnection | undefined;

  private constructor(port: number, process: SupervisedProcess, spec: ServerSpec) {
    this.port = port;
    this.#process = process;
    this.#spec = spec;
  }

  /** Starts one on a port of the block. Resolves when it accepts connections. */
  static async start(ports: PortBlock, spec: ServerSpec): Promise<RedisServer> {
    for (let round = 1; ; round++) {
      const port = ports.take();
      const process = await SupervisedProcess.make((folder) => prepare(folder, port, spec));
      const server = new RedisServer(port, process, spec);
      try {
        await server.#launch();
        return server;
      } catch (error) {
        await server[Symbol.asyncDispose]();
        const isInUse = error instanceof ProcessEndedError && PORT_IN_USE.test(error.log);
        if (!isInUse || round === MAX_PORT_TRIES) throw error;
      }
    }
  }

  /** `redis://` or `rediss://`, with credentials where there are some. */
  get url(): string {
    const scheme = this.#spec.certificate === undefined ? "redis" : "rediss";
    const { password, urlCredentials } = this.#spec;
    const user =
      urlCredentials ?? (password === undefined ? undefined : { username: "", password });
    const login =
      user === undefined
        ? ""
        : `${encodeURIComponent(user.username)}:${encodeURIComponent(user.password)}@`;
    return `${scheme}://${login}${HOST}:${this.port}`;
  }

  /** PEM of the certificate to trust, for a server with TLS. */
  get certificate(): string | undefined {
    return this.#spec.certificate;
  }

  /** @throws when it does not run */
  get pid(): number {
    const { pid } = this.#process;
    if (pid === undefined) throw new Error(`the redis-server of port ${this.port} does not run`);
    return pid;
  }

  /** Also true while it is stopped by `stop`. */
  get isRunning(): boolean {
    return this.#process.pid !== undefined;
  }

  /** True when a command can be answered: it runs and is not stopped. */
  get isResponsive(): boolean {
    return this.isRunning && processState(this.pid) === "running";
  }

  get folder(): string {
    return this.#process.folder;
  }

  /** The end of what it logged, over all starts. */
  get log(): string {
    return this.#process.log;
  }

  /** How to reach it with a connection of one's own. */
  get address(): RespAddress {
    const { password, certificate } = this.#spec;
    return { port: this.port, password, certificate };
  }

  /** Kills it with SIGKILL, stopped or not. Resolves when it is gone and its port is free. */
  async kill9(): Promise<void> {
    this.#process.signal("SIGKILL");
    await this.#process.untilEnded();
  }

  /** Asks it to end as an operator would, with SIGTERM. Resolves when it is gone. */
  async shutdown(): Promise<void> {
    this.#process.signal("SIGTERM");
    await this.#process.untilEnded();
  }

  /** Kills it if it runs, and starts it on the same port and folder. Resolves when it accepts connections. */
  async restart(): Promise<void> {
    await this.kill9();
    await this.#launch();
  }

  /** SIGSTOP: the process stands still, its connections stay open and nothing is answered. */
  async stop(): Promise<void> {
    const { pid } = this;
    this.#process.signal("SIGSTOP");
    await this.#until("it is stopped", () => processState(pid) === "stopped");
  }

  /** SIGCONT, after `stop`. */
  async resume(): Promise<void> {
    const { pid } = this;
    this.#process.signal("SIGCONT");
    await this.#until("it runs again", () => processState(pid) === "running");
  }

  /**
   * Sends a command on a connection kept for this, which is opened anew when it was lost. A command is never
   * sent twice.
   * @throws {RedisReplyError} when the answer is an error; another Error when there is none in 10 s
   */
  async command(...args: readonly Argument[]): Promise<Reply> {
    if (this.#connection?.isOpen !== true) {
      this.#connection = await RespConnection.open(this.address);
    }
    return this.#connection.command(...args);
  }

  /** The fields of a section of INFO, such as `replication`. */
  async info(section: string): Promise<Map<string, string>> {
    const text = String(await this.command("INFO", section));
    const pairs = text.split("\r\n").filter((line) => line.includes(":"));
    return new Map(pairs.map((line) => splitOnce(line)));
  }

  /** Resolves when the predicate is true; one that throws, as commands do while it is down, is not. */
  waitFor(
    predicate: (server: RedisServer) => boolean | Promise<boolean>,
    what = "a condition held",
  ): Promise<void> {
    return this.#until(what, () => predicate(this));
  }

  /** Disposes of something, such as its ports, after itself. */
  own(resource: AsyncDisposable): void {
    this.#owned.use(resource);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection?.[Symbol.dispose]();
    await this.#process[Symbol.asyncDispose]();
    await this.#owned.disposeAsync();
  }

  async #launch(): Promise<void> {
    await this.#process.start();
    await this.#process.untilLog((log) => READY.test(log));
  }

  #until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const describe = () => `the redis-server of port ${this.port} said:\n${this.log}`;
    return waitUntil(`${what} (port ${this.port})`, condition, { describe });
  }
}

/** Fills the folder of a server, and returns its command line. */
async function prepare(folder: string, port: number, spec: ServerSpec): Promise<string[]> {
  const { isSentinel = false, files = {} } = spec;
  const common = isSentinel ? SENTINEL_DIRECTIVES : SERVER_DIRECTIVES;
  const own = { port, bind: HOST, dir: folder, ...spec.directives(port) };
  for (const [name, text] of Object.entries(files)) {
    await Bun.write(join(folder, name), text, { mode: 0o600 });
  }
  // A Sentinel writes its state into its configuration file.
  const config = join(folder, "redis.conf");
  await Bun.write(config, configText(common, own));
  return [redisServerProgram(), config, ...(isSentinel ? ["--sentinel"] : [])];
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf(":");
  return [line.slice(0, at), line.slice(at + 1)];
}
