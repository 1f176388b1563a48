import { encodeBinary } from "../../protocol/binary-codec.ts";
import type { Frame } from "../../protocol/frame.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { publishedResult, publishedSize, writePublished } from "../../protocol/messages/publish.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import type { Stats } from "../stats.ts";
import type { DeliveryStamp } from "../tracing/delivery-stamp.ts";
import { ByteBuffer } from "./byte-buffer.ts";
import { OutboundQueue } from "./outbound-queue.ts";
import type { WaitedDelivery } from "./outbound-queue.ts";
import { SendStatus } from "./socket.ts";
import type { Socket } from "./socket.ts";

const json = new JsonCodec();

/** Gives bytes that stay as they are, and says what they are. */
export interface StableSource {
  stable(): Uint8Array;
  /** Asked only when they have to wait. */
  stamp?(): DeliveryStamp;
}

const nothing: readonly WaitedDelivery[] = Object.freeze([]);

/** Bounds and shared state of every outbound of a node. */
export interface OutboundContext {
  readonly stats: Stats;
  /** Bytes one session may have waiting. */
  readonly maxQueuedBytes: number;
  /** Bytes all sessions together may have waiting. */
  readonly maxTotalQueuedBytes: number;
  /** Asks for `flush` at the end of this tick. */
  scheduleFlush(outbound: Outbound): void;
}

/**
 * One session's way out. Three states:
 *
 *   direct     publications go straight to the socket (`isDirect`)
 *   replying   replies of this tick wait to leave together; a publication takes them along
 *   behind     the socket is full: everything waits in `#queue` until it is writable again
 *
 * The policy of a session that is behind is `reliable`: every publication, in order, and when the queue is
 * over its bound the session is closed as slow, so that its client reconnects and recovers. A policy
 * that may leave publications out decides in `deliver`, and nowhere else.
 */
export class Outbound {
  readonly format: "msgpack" | "json";
  readonly #socket: Socket;
  readonly #context: OutboundContext;
  readonly #onSlow: (reason: "slow" | "node-budget") => void;
  readonly #replyBytes = new ByteBuffer(128);
  #replyText = "";
  readonly #queue: OutboundQueue;
  #isBehind = false;
  #isClosed = false;
  /** What the socket took, but has not got rid of. */
  #held: WaitedDelivery | null = null;
  #isFlushScheduled = false;
  /** True when publications may be handed to the socket without asking: no replies wait and it is not behind. */
  isDirect: boolean;

  constructor(
    format: "msgpack" | "json",
    socket: Socket,
    context: OutboundContext,
    onSlow: (reason: "slow" | "node-budget") => void,
  ) {
    this.format = format;
    this.isDirect = format === "msgpack";
    this.#socket = socket;
    this.#context = context;
    this.#queue = new OutboundQueue(context.stats);
    this.#onSlow = onSlow;
  }

  /** Bytes of this session waiting in user space. */
  get queuedBytes(): number {
    return this.#queue.queuedBytes;
  }

  /** Whether the socket is full, so that everything waits here. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** Whether anything still waits here for a socket that is behind. */
  get hasQueue(): boolean {
    return this.#queue.size > 0;
  }

  /** Whether so much of earlier replays waits unread that there must not be more. */
  get isReplayFull(): boolean {
    return this.#queue.replayBytes > this.#context.maxQueuedBytes;
  }

  /** Queues a reply or push; it leaves at the end of the tick, or with the next publication. */
  frame(frame: Frame): void {
    if (this.format === "json") this.#appendText(json.encode(frame));
    else this.#replyBytes.append(encodeBinary(frame));
    this.#replied();
  }

  /** Acknowledges a publish; the hot one among the replies. */
  published(requestId: number, offset: number, epoch: string): void {
    if (this.format === "json") {
      this.frame(encodeOk(requestId, publishedResult({ offset, epoch })));
      return;
    }
    const buffer = this.#replyBytes;
    buffer.reserve(publishedSize(requestId, offset, epoch));
    buffer.length = writePublished(buffer.bytes, buffer.length, requestId, offset, epoch);
    this.#replied();
  }

  #appendText(text: string): void {
    this.#replyText = this.#replyText === "" ? text : `${this.#replyText}\n${text}`;
  }

  #replied(): void {
    this.isDirect = false;
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    this.#context.scheduleFlush(this);
  }

  /** Sends the replies of this tick, unless a publication has taken them along already. */
  flush(): void {
    this.#isFlushScheduled = false;
    this.#flushReplies();
  }

  /** @param source of publications that leave with them */
  #flushReplies(source: StableSource | null = null): void {
    if (this.#replyText !== "") {
      const text = this.#replyText;
      this.#replyText = "";
      this.#send(text, false, source);
    }
    if (this.#replyBytes.length > 0) {
      const view = this.#replyBytes.view();
      // What must wait is copied: the buffer is used again.
      this.#send(this.#isBehind ? view.slice() : view, false, source);
      this.#replyBytes.reset();
    }
    this.#updateDirect();
  }

  #updateDirect(): void {
    this.isDirect =
      this.format === "msgpack" &&
      !this.#isBehind &&
      !this.#isClosed &&
      this.#replyBytes.length === 0;
  }

  /**
   * Delivers encoded publications after everything that was queued before.
   * @param source gives the same bytes in memory that will not change, should they have to wait
   */
  deliver(bytes: Uint8Array, source: StableSource): void {
    if (this.#isBehind) {
      this.#flushReplies();
      this.#send(source.stable(), false, source);
      return;
    }
    if (this.#replyBytes.length > 0) {
      // Replies and publications of one tick leave in one write.
      this.#replyBytes.append(bytes);
      this.#flushReplies(source);
      return;
    }
    this.#send(bytes, false, source);
  }

  /** The same for a session that reads JSON. */
  deliverText(text: string, source: StableSource | null = null): void {
    this.#appendText(text);
    this.#flushReplies(source);
  }

  /**
   * Sends kept publications, in memory that stays. One replay does not count as falling behind, however
   * long; whoever asks for more looks at `isReplayFull` first.
   */
  replay(message: Uint8Array | string): void {
    this.#flushReplies();
    this.#send(message, true, null);
  }

  #send(message: Uint8Array | string, isReplay: boolean, source: StableSource | null): void {
    if (this.#isClosed) return;
    if (this.#isBehind) this.#enqueue(message, isReplay, source);
    else this.settle(this.#write(message), source);
  }

  #write(message: Uint8Array | string): SendStatus {
    return typeof message === "string"
      ? this.#socket.sendText(message)
      : this.#socket.sendBytes(message);
  }

  /**
   * Takes note of what the socket said to bytes handed to it directly.
   * @param source of the publications among them
   */
  settle(status: SendStatus, source: StableSource | null = null): void {
    if (status === SendStatus.sent) return;
    if (status === SendStatus.dropped) this.#isClosed = true;
    else this.#fellBehind(source?.stamp?.() ?? null, 0);
    this.#updateDirect();
  }

  #fellBehind(stamp: DeliveryStamp | null, queuedBytes: number): void {
    this.#isBehind = true;
    this.#held = stamp === null ? null : { stamp, queuedBytes };
    if (stamp !== null) this.#context.stats.deliveriesQueued++;
  }

  #enqueue(message: Uint8Array | string, isReplay: boolean, source: StableSource | null): void {
    const { stats, maxQueuedBytes, maxTotalQueuedBytes } = this.#context;
    const stamp = source?.stamp?.() ?? null;
    if (stamp !== null) stats.deliveriesQueued++;
    this.#queue.push(message, isReplay, stamp);
    if (isReplay) return;
    if (this.#queue.queuedBytes > maxQueuedBytes) this.#onSlow("slow");
    else if (stats.outboundQueuedBytes > maxTotalQueuedBytes) this.#onSlow("node-budget");
  }

  /**
   * The socket took everything it held: goes on with what waits here. Returns the publications that have left
   * now, oldest first.
   */
  onWritable(): readonly WaitedDelivery[] {
    const waited: WaitedDelivery[] = this.#held === null ? [] : [this.#held];
    this.#held = null;
    this.#isBehind = false;
    while (!this.#isBehind && !this.#isClosed) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      const { message, stamp, queuedBytes } = next;
      const status = this.#write(message);
      if (status === SendStatus.queued) this.#fellBehind(stamp, queuedBytes);
      else {
        this.settle(status);
        if (stamp !== null && status === SendStatus.sent) waited.push({ stamp, queuedBytes });
      }
    }
    this.#queue.trim();
    this.#updateDirect();
    return waited.length === 0 ? nothing : waited;
  }

  /** Publications that wait here, oldest first. */
  waiting(): readonly WaitedDelivery[] {
    return this.#queue.waiting();
  }

  /** Lets go of everything that waits, for good. Returns how many messages never left. */
  discard(): number {
    this.#isClosed = true;
    this.isDirect = false;
    this.#held = null;
    this.#replyText = "";
    this.#replyBytes.reset();
    return this.#queue.clear();
  }
}
