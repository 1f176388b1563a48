import { connect as connectPlain } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import { encodeCommand, readReply, RedisReplyError } from "./resp.ts";
import type { Argument, Reply } from "./resp.ts";

/** A server that is stopped or cut off answers nothing; a test is not to hang on it. */
const DEFAULT_REPLY_LIMIT_MS = 10_000;

export interface RespAddress {
  readonly port: number;
  readonly host?: string;
  readonly password?: string | undefined;
  readonly username?: string | undefined;
  /** PEM of the certificate to trust; with it the connection is TLS. */
  readonly certificate?: string | undefined;
  readonly replyLimitMs?: number;
}

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** One connection that sends commands and matches replies by order. It never reconnects. */
export class RespConnection implements Disposable {
  readonly #socket: Socket;
  readonly #replyLimitMs: number;
  readonly #pending: Pending[] = [];
  #received: Buffer = Buffer.alloc(0);
  #error: Error | undefined;

  private constructor(address: RespAddress) {
    const { port, host = "127.0.0.1", certificate } = address;
    this.#replyLimitMs = address.replyLimitMs ?? DEFAULT_REPLY_LIMIT_MS;
    this.#socket =
      certificate === undefined
        ? connectPlain({ port, host, noDelay: true })
        : connectTls({ port, host, ca: certificate });
    this.#socket.on("data", (bytes: Buffer) => this.#read(bytes));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the connection was closed")));
    // A connection that a test leaves open must not keep the process.
    this.#socket.unref();
  }

  /** @throws {RedisReplyError} when the credentials are refused */
  static async open(address: RespAddress): Promise<RespConnection> {
    const connection = new RespConnection(address);
    const { username = "default", password } = address;
    if (password !== undefined) await connection.command("AUTH", username, password);
    return connection;
  }

  get isOpen(): boolean {
    return this.#error === undefined;
  }

  /**
   * Sends a command at once, also while earlier ones are unanswered.
   * @throws {RedisReplyError} when the server answers with an error; another Error when no answer comes
   */
  command(...args: readonly Argument[]): Promise<Reply> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const timer = setTimeout(() => {
      // What comes later could not be told from the answer to the next command.
      this.#fail(new Error(`no answer to ${String(args[0])} in ${this.#replyLimitMs} ms`));
    }, this.#replyLimitMs);
    this.#pending.push({ resolve, reject, timer });
    this.#socket.write(encodeCommand(args));
    return promise;
  }

  [Symbol.dispose](): void {
    this.#fail(new Error("the connection was disposed of"));
  }

  #read(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    let start = 0;
    for (;;) {
      const read = readReply(this.#received, start);
      if (read === undefined) break;
      start = read.end;
      this.#answer(read.reply);
    }
    this.#received = this.#received.subarray(start);
  }

  #answer(reply: Reply): void {
    const pending = this.#pending.shift();
    if (pending === undefined) return;
    clearTimeout(pending.timer);
    if (reply instanceof RedisReplyError) pending.reject(reply);
    else pending.resolve(reply);
  }

  #fail(error: Error): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#socket.destroy();
    for (const { reject, timer } of this.#pending.splice(0)) {
      clearTimeout(timer);
      reject(error);
    }
  }
}
