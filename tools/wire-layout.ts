import { Code } from "../protocol/codes.ts";
import type { FrameValue } from "../protocol/frame.ts";
import { encodeChannel } from "../protocol/messages/channel.ts";
import { encodeConnect } from "../protocol/messages/connect.ts";
import { encodeConnected } from "../protocol/messages/connected.ts";
import { encodeDrain } from "../protocol/messages/drain.ts";
import { encodeGap } from "../protocol/messages/gap.ts";
import { encodeHistory, historyResult } from "../protocol/messages/history.ts";
import { metaValue } from "../protocol/messages/meta.ts";
import { encodeNotice } from "../protocol/messages/notice.ts";
import type { NoticeState } from "../protocol/messages/notice.ts";
import { encodePing, encodePong } from "../protocol/messages/ping.ts";
import {
  encodePresence,
  encodePresencePush,
  presenceResult,
} from "../protocol/messages/presence.ts";
import { encodePublication } from "../protocol/messages/publication.ts";
import { encodePublish, publishedResult } from "../protocol/messages/publish.ts";
import { encodeReceipt } from "../protocol/messages/receipt.ts";
import {
  encodeRefresh,
  encodeTokenExpiring,
  refreshedResult,
} from "../protocol/messages/refresh.ts";
import { encodeError, encodeOk } from "../protocol/messages/reply.ts";
import { encodeSubscribe, subscribedResult } from "../protocol/messages/subscribe.ts";
import { encodeUnsubscribe, encodeUnsubscribed } from "../protocol/messages/unsubscribe.ts";
import { Op } from "../protocol/op.ts";

/**
 * The layout of every frame and result as the encoders of this tree really write it. Each encoder is given
 * a probe, an input in which every value is unlike every other, and where a value comes out is its place.
 */
export interface Layout {
  /** Key in the op table, or the name of what is not a frame of its own. */
  readonly name: string;
  /** Like `[2, id, channel, recover, flags]`; a nested array of one field's parts stands in brackets. */
  readonly fields: string;
}

/** Makes values no two of which are alike. */
class Probes {
  #next = 1000;

  /** Above every op. */
  number(): number {
    return this.#next++;
  }

  text(): string {
    return `probe-${this.number()}`;
  }
}

function bytes(): Uint8Array {
  return new Uint8Array(1);
}

/** Every leaf of the input by its value, with the path to it. */
function collectPaths(input: object, prefix: string, paths: Map<unknown, string>): void {
  for (const [key, value] of Object.entries(input)) {
    const path = Array.isArray(input) ? prefix : prefix === "" ? key : `${prefix}.${key}`;
    const isLeaf =
      typeof value !== "object" ||
      value === null ||
      value instanceof Uint8Array ||
      value instanceof Map;
    if (isLeaf) paths.set(value, path);
    else collectPaths(value as object, path, paths);
  }
}

function draw(value: FrameValue, paths: ReadonlyMap<unknown, string>): string {
  if (Array.isArray(value)) return `[${value.map((item) => draw(item, paths)).join(", ")}]`;
  return paths.get(value) ?? JSON.stringify(value);
}

function layout<Input extends object>(
  name: string,
  input: Input,
  encode: (input: Input) => FrameValue,
): Layout {
  const paths = new Map<unknown, string>();
  collectPaths(input, "", paths);
  return { name, fields: draw(encode(input), paths) };
}

function meta(p: Probes) {
  return {
    id: p.text(),
    key: p.text(),
    headers: new Map([[p.text(), p.text()]]),
    traceparent: p.text(),
    tracestate: p.text(),
    timeMs: p.number(),
    user: p.text(),
  };
}

function commandLayouts(p: Probes): Layout[] {
  const id = p.number();
  const channel = p.text();
  const live = { type: "none" } as const;
  const last = { type: "last", count: p.number() } as const;
  const position = { epoch: p.text(), offset: p.number() };
  return [
    layout(
      "connect",
      { id, version: p.number(), token: p.text(), client: p.text() },
      encodeConnect,
    ),
    layout("subscribe", { id, channel, recover: live, flags: p.number() }, encodeSubscribe),
    layout("subscribe", { id, channel, recover: last, flags: p.number() }, encodeSubscribe),
    layout(
      "subscribe",
      { id, channel, recover: { type: "position" as const, position }, flags: p.number() },
      encodeSubscribe,
    ),
    layout("unsubscribe", { id, channel }, encodeUnsubscribe),
    layout("publish", { id, channel, payload: bytes(), meta: null }, encodePublish),
    layout("publishMeta", { id, channel, payload: bytes(), meta: meta(p) }, encodePublish),
    layout("ping", { id, clientTimeMs: p.number() }, encodePing),
    layout("history", { id, channel, limit: p.number(), since: position }, encodeHistory),
    layout("presence", { id, channel }, encodePresence),
    layout("refresh", { id, token: p.text() }, encodeRefresh),
    layout(
      "receipt",
      {
        channelId: p.number(),
        offset: p.number(),
        receivedAtMs: p.number(),
        uncertaintyMs: p.number(),
      },
      encodeReceipt,
    ),
  ];
}

function serverLayouts(p: Probes): Layout[] {
  const id = p.number();
  const channelId = p.number();
  const member = { connection: p.text(), user: p.text() };
  const limits = {
    pingIntervalMs: p.number(),
    maxMessageBytes: p.number(),
    maxPayloadBytes: p.number(),
    maxSubscriptions: p.number(),
    receiptIntervalMs: p.number(),
    slowMs: p.number(),
  };
  const publication = { channelId, offset: p.number(), payload: bytes() };
  return [
    layout(
      "connected",
      {
        id,
        version: p.number(),
        ...member,
        node: p.text(),
        serverTimeMs: p.number(),
        tokenExpiresInMs: p.number(),
        limits,
      },
      encodeConnected,
    ),
    layout("ok", { id, result: p.number() }, ({ result }) => encodeOk(id, result)),
    layout(
      "error",
      { id, code: p.number(), name: p.text(), message: p.text(), retryAfterMs: p.number() },
      ({ code, name, message, retryAfterMs }) =>
        encodeError(id, { ...Code.internal, code, name }, message, retryAfterMs),
    ),
    layout("publication", { ...publication, meta: null }, encodePublication),
    layout("publicationMeta", { ...publication, meta: meta(p) }, encodePublication),
    layout(
      "channel",
      { channelId, name: p.text(), epoch: p.text(), offset: p.number() },
      encodeChannel,
    ),
    layout(
      "gap",
      { channelId, from: p.number(), to: p.number(), reason: p.text(), count: p.number() },
      encodeGap,
    ),
    layout(
      "unsubscribed",
      { channel: p.text(), code: p.number(), name: p.text(), message: p.text() },
      encodeUnsubscribed,
    ),
    layout("join", { channelId, ...member }, (push) =>
      encodePresencePush({ type: "join", ...push }),
    ),
    layout("leave", { channelId, ...member }, (push) =>
      encodePresencePush({ type: "leave", ...push }),
    ),
    layout("pong", { id, clientTimeMs: p.number(), serverTimeMs: p.number() }, encodePong),
    layout("drain", { windowMs: p.number() }, ({ windowMs }) => encodeDrain(windowMs)),
    layout("tokenExpiring", { expiresInMs: p.number() }, ({ expiresInMs }) =>
      encodeTokenExpiring(expiresInMs),
    ),
    layout(
      "notice",
      { channel: p.text(), state: p.text() as NoticeState, message: p.text() },
      encodeNotice,
    ),
  ];
}

function resultLayouts(p: Probes): Layout[] {
  const position = { epoch: p.text(), offset: p.number() };
  return [
    layout(
      "result of subscribe",
      { channelId: p.number(), ...position, recovered: true, count: p.number() },
      subscribedResult,
    ),
    layout("result of publish", position, publishedResult),
    layout(
      "result of history",
      {
        ...position,
        complete: true,
        publications: [{ offset: p.number(), payload: bytes(), meta: meta(p) }],
      },
      historyResult,
    ),
    layout("result of presence", [{ connection: p.text(), user: p.text() }], presenceResult),
    layout("result of refresh", { tokenExpiresInMs: p.number() }, ({ tokenExpiresInMs }) =>
      refreshedResult(tokenExpiresInMs),
    ),
    layout("meta", meta(p), metaValue),
  ];
}

export function wireLayouts(): Layout[] {
  const probes = new Probes();
  return [...commandLayouts(probes), ...serverLayouts(probes), ...resultLayouts(probes)];
}

function byNumber(a: readonly [number, string], b: readonly [number, string]): number {
  return a[0] - b[0];
}

/** All that makes two peers understand each other, a line each: ops, layouts, codes. */
export function wireDescription(): string[] {
  const ops = Object.entries(Op).map(([name, op]) => [op, name] as const);
  const codes = Object.values(Code).map(({ code, name, use }) => [code, `${name} ${use}`] as const);
  return [
    ...ops.toSorted(byNumber).map(([op, name]) => `op ${op} ${name}`),
    ...wireLayouts().map(({ name, fields }) => `layout ${name} ${fields}`),
    ...codes.toSorted(byNumber).map(([code, text]) => `code ${code} ${text}`),
  ];
}
