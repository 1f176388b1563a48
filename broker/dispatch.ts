import { decodeBinary } from "../protocol/binary-codec.ts";
import type { RawFrame } from "../protocol/codec.ts";
import { Code } from "../protocol/codes.ts";
import { decodeCommand } from "../protocol/command.ts";
import type { Command } from "../protocol/command.ts";
import { badFrame, ProtocolError } from "../protocol/errors.ts";
import { JsonCodec } from "../protocol/json-codec.ts";
import { MAX_COMMAND_DEPTH, MAX_COMMAND_FIELDS } from "../protocol/limits.ts";
import { readPublish } from "../protocol/messages/publish.ts";
import type { PublishView } from "../protocol/messages/publish.ts";
import { Op } from "../protocol/op.ts";
import { frameEnd, FrameReader } from "../protocol/reader.ts";
import { BrokerError } from "./api.ts";
import { connect } from "./commands/connect.ts";
import { history } from "./commands/history.ts";
import { ping } from "./commands/ping.ts";
import { presence } from "./commands/presence.ts";
import { publish, publishView } from "./commands/publish.ts";
import { receipt } from "./commands/receipt.ts";
import { refresh } from "./commands/refresh.ts";
import { subscribe } from "./commands/subscribe.ts";
import { unsubscribe } from "./commands/unsubscribe.ts";
import type { BrokerContext } from "./context.ts";
import { AccessError } from "./ports.ts";
import type { Session } from "./sessions/session.ts";

const json = new JsonCodec();

// One reader and one view serve all sessions: a message is read from start to end without a pause.
const reader = new FrameReader();
const view: PublishView = {
  id: 0,
  channelStart: 0,
  channelEnd: 0,
  payloadStart: 0,
  payloadEnd: 0,
};

/** Takes one WebSocket message of a session: one frame or more [P-3.3]. Never throws. */
export function receive(
  context: BrokerContext,
  session: Session,
  message: Uint8Array | string,
): void {
  session.wasHeard = true;
  context.stats.messagesReceived++;
  context.stats.bytesReceived += message.length;
  handle(context, session, message);
}

function handle(context: BrokerContext, session: Session, message: Uint8Array | string): void {
  if (session.state === "authenticating") {
    hold(context, session, message);
    return;
  }
  try {
    if (typeof message === "string") receiveText(context, session, message);
    else receiveBytes(context, session, message);
  } catch (error) {
    failed(context, session, 0, error);
  }
}

/** Frames behind connect wait for the token to be verified; a client need not wait for the reply. */
function hold(context: BrokerContext, session: Session, message: Uint8Array | string): void {
  session.heldBytes += message.length;
  if (session.heldBytes > context.limits.maxMessageBytes) {
    session.failAndClose(0, Code.tooLarge, "too much sent before connect was answered");
    return;
  }
  session.heldMessages.push(message);
}

/** Takes up what was held, now that the session is connected. */
function release(context: BrokerContext, session: Session): void {
  const held = session.heldMessages;
  session.heldMessages = [];
  session.heldBytes = 0;
  if (session.state !== "connected") return;
  for (const message of held) handle(context, session, message);
}

function receiveText(context: BrokerContext, session: Session, message: string): void {
  if (session.format !== "json") throw badFrame("a text message on a binary subprotocol");
  let at = 0;
  while (at <= message.length && session.state !== "closed") {
    if (session.state === "authenticating") {
      hold(context, session, message.slice(at));
      return;
    }
    const lineEnd = message.indexOf("\n", at);
    const end = lineEnd < 0 ? message.length : lineEnd;
    json.decode(message.slice(at, end), (frame) => execute(context, session, frame));
    at = end + 1;
  }
}

function receiveBytes(context: BrokerContext, session: Session, bytes: Uint8Array): void {
  if (session.format !== "msgpack") throw badFrame("a binary message on a text subprotocol");
  const end = bytes.length;
  if (end === 0) throw badFrame("an empty message");
  let at = 0;
  while (at < end && session.state !== "closed") {
    if (session.state === "authenticating") {
      hold(context, session, bytes.subarray(at));
      return;
    }
    reader.reset(bytes, at, end);
    if (session.state === "connected" && readPublish(reader, view)) {
      at = reader.pos;
      const { id } = view;
      try {
        publishView(context, session, bytes, view);
      } catch (error) {
        // A refusal is this frame's alone: those behind it go on.
        failed(context, session, id, error);
      }
      continue;
    }
    const next = frameEnd(bytes, at, end, MAX_COMMAND_DEPTH, MAX_COMMAND_FIELDS);
    execute(context, session, decodeBinary(bytes, at, next));
    at = next;
  }
}

function execute(context: BrokerContext, session: Session, frame: RawFrame): void {
  let command: Command;
  try {
    command = decodeCommand(frame);
  } catch (error) {
    const id = error instanceof ProtocolError ? error.requestId : 0;
    if (session.state === "new" && frame[0] !== Op.connect && typeof frame[0] === "number") {
      session.failAndClose(id, Code.notConnected);
    } else if (isWithinRate(context, session, id)) failed(context, session, id, error);
    return;
  }
  if (session.state === "new" && command.type !== "connect") {
    session.failAndClose(command.id, Code.notConnected);
    return;
  }
  try {
    if (command.type === "publish" || isWithinRate(context, session, command.id)) {
      run(context, session, command);
    }
  } catch (error) {
    failed(context, session, command.id, error);
  }
}

/** Counts a command other than publish, well formed or not; one too many is answered here. */
function isWithinRate(context: BrokerContext, session: Session, requestId: number): boolean {
  const retryAfterMs = session.commandLimit.take(1, context.clock.nowMs());
  if (retryAfterMs === 0) return true;
  session.flooded(requestId, "command_rate", retryAfterMs);
  return false;
}

function run(context: BrokerContext, session: Session, command: Command): void {
  switch (command.type) {
    case "connect":
      void connect(context, session, command).then(
        () => release(context, session),
        (error: unknown) => {
          failed(context, session, command.id, error);
          session.close(Code.internal);
        },
      );
      return;
    case "subscribe":
      void subscribe(context, session, command)?.catch((error: unknown) =>
        failed(context, session, command.id, error),
      );
      return;
    case "unsubscribe":
      unsubscribe(context, session, command);
      return;
    case "publish":
      publish(context, session, command);
      return;
    case "ping":
      ping(context, session, command);
      return;
    case "history":
      void history(context, session, command)?.catch((error: unknown) =>
        failed(context, session, command.id, error),
      );
      return;
    case "presence":
      void presence(context, session, command)?.catch((error: unknown) =>
        failed(context, session, command.id, error),
      );
      return;
    case "refresh":
      void refresh(context, session, command).catch((error: unknown) =>
        failed(context, session, command.id, error),
      );
      return;
    case "receipt":
      receipt(context, session, command);
      return;
  }
}

/** The one place where a command's failure is answered, and an unexpected one logged. */
function failed(context: BrokerContext, session: Session, requestId: number, error: unknown): void {
  if (session.state === "closed") return;
  if (error instanceof ProtocolError) {
    const id = error.requestId === 0 ? requestId : error.requestId;
    if (error.isFatal) session.failAndClose(id, error.info, error.message);
    else session.fail(id, error.info, error.message);
  } else if (error instanceof BrokerError || error instanceof AccessError) {
    session.fail(requestId, error.info, error.message, error.retryAfterMs);
  } else {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    context.logger.log("error", "command_failed", { connection: session.id, error: message });
    session.fail(requestId, Code.internal);
  }
}
