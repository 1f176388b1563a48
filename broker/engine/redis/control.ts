import type { LocalDirectory } from "../../cluster/directory.ts";
import type { Clock, Logger } from "../../ports.ts";
import type { TraceRuleChange } from "../../tracing/debug-rules.ts";
import type { TraceRequest } from "../../tracing/engine-tracer.ts";
import { readControlMessage, writeControlMessage } from "./control-message.ts";
import type { ControlMessage } from "./control-message.ts";
import { Orders } from "./control-orders.ts";
import type { Keys } from "./keys.ts";
import { messageOf } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";
import type { Questions } from "./questions.ts";
import type { Shard } from "./shard.ts";

export interface ControlOptions {
  readonly home: Home;
  readonly keys: Keys;
  readonly local: LocalDirectory;
  /** Name of this run of this node. */
  readonly incarnation: string;
  /** How long a revocation is in force: until no token that it concerns can be valid. */
  readonly revocationTtlMs: number;
  /** Asks and answers what is no order. */
  readonly questions: Questions;
  /** A node has found that Redis lost its data. */
  readonly erased: () => void;
  /** A node asks for this one's part of a trace. */
  readonly traceAsked?: (request: TraceRequest) => void;
  /** A node, which may be this one, tells what to trace. */
  readonly traceRuleChanged?: (change: TraceRuleChange) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The control channel: what nodes say to one another besides publications, to all of them or to one.
 */
export class Control {
  readonly orders: Orders;
  readonly #options: ControlOptions;
  #shard: Shard | null = null;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.orders = new Orders({ ...options, answer: (to, message) => this.#tell(to, message) });
  }

  get #channels(): readonly [all: string, own: string] {
    const { keys, incarnation } = this.#options;
    return [keys.home("control"), keys.nodeControl(incarnation)];
  }

  /** The server of what belongs to no channel is this one now. */
  assigned(shard: Shard | null): void {
    if (shard === this.#shard) return;
    for (const channel of this.#channels) this.#shard?.unsubscribe(channel);
    this.#shard = shard;
    if (shard === null) return;
    const pending = this.#channels.map(async (channel) => shard.subscribe(channel));
    void Promise.all(pending).then(() => {
      if (shard === this.#shard) void this.orders.sync();
    });
  }

  /** Takes a pub/sub message; false when it is not for this. */
  received(channel: string, message: Buffer): boolean {
    if (!this.#channels.includes(channel)) return false;
    const read = readControlMessage(message);
    if (read === null) this.#options.logger.log("error", "control_unreadable", { channel });
    else this.#handle(read);
    return true;
  }

  #handle(message: ControlMessage): void {
    switch (message.type) {
      case "disconnect":
      case "revoke":
        void this.orders.obey(message);
        return;
      case "done":
        this.orders.answered(message.id, message.closed);
        return;
      case "sync":
        void this.orders.sync();
        return;
      case "trace":
        this.#options.traceAsked?.(message.request);
        return;
      case "trace-rule":
        this.#options.traceRuleChanged?.(message.change);
        return;
      case "ask":
        void this.#options.questions.asked(message);
        return;
      case "answer":
        this.#options.questions.answered(message);
        return;
      case "erased":
        this.#options.erased();
    }
  }

  /**
   * Tells all nodes that Redis has lost its data: until they write theirs again, nobody can count what they have.
   * Never rejects.
   */
  async tellErased(): Promise<void> {
    try {
      await this.#tellAll({ type: "erased" });
    } catch (error) {
      // They find it when they renew their leases.
      this.#options.logger.log("debug", "erasure_not_told", { error: messageOf(error) });
    }
  }

  /** Asks another node's run for its part of a trace; lost where it cannot be reached. */
  async askTrace(to: string, request: TraceRequest): Promise<void> {
    try {
      await this.#tell(to, { type: "trace", request });
    } catch (error) {
      this.#options.logger.log("debug", "trace_not_asked", { error: messageOf(error) });
    }
  }

  /** Tells all nodes what to trace. Never rejects. */
  async tellTraceRule(change: TraceRuleChange): Promise<void> {
    try {
      await this.#tellAll({ type: "trace-rule", change });
    } catch (error) {
      this.#options.logger.log("warn", "trace_rule_not_told", { error: messageOf(error) });
    }
  }

  async #tell(to: string, message: ControlMessage): Promise<void> {
    const { home, keys } = this.#options;
    const channel = keys.nodeControl(to);
    await home.call(home.shard.publishCommand, channel, writeControlMessage(message));
  }

  async #tellAll(message: ControlMessage): Promise<void> {
    const { home, keys } = this.#options;
    const channel = keys.home("control");
    await home.call(home.shard.publishCommand, channel, writeControlMessage(message));
  }

  stop(): void {
    this.orders.stop();
    this.#options.questions.stop();
  }
}
