import { Code } from "../../protocol/codes.ts";
import { encodeChannel } from "../../protocol/messages/channel.ts";
import { encodeConnected } from "../../protocol/messages/connected.ts";
import { encodeDrain } from "../../protocol/messages/drain.ts";
import { encodeGap } from "../../protocol/messages/gap.ts";
import { historyResult } from "../../protocol/messages/history.ts";
import { EMPTY_META } from "../../protocol/messages/meta.ts";
import { encodeNotice } from "../../protocol/messages/notice.ts";
import { encodePong } from "../../protocol/messages/ping.ts";
import { encodePresencePush, presenceResult } from "../../protocol/messages/presence.ts";
import {
  encodePublication,
  publicationSize,
  writePublication,
} from "../../protocol/messages/publication.ts";
import { publishedResult, publishedSize, writePublished } from "../../protocol/messages/publish.ts";
import { encodeTokenExpiring, refreshedResult } from "../../protocol/messages/refresh.ts";
import { encodeError, encodeOk } from "../../protocol/messages/reply.ts";
import { subscribedResult } from "../../protocol/messages/subscribe.ts";
import { encodeUnsubscribed } from "../../protocol/messages/unsubscribe.ts";
import { binary, text } from "./vector.ts";
import type { VectorSource } from "./vector.ts";

const EPOCH = "k3Yb0aQx";
const META = {
  ...EMPTY_META,
  id: "order-17",
  key: "XRPUSDT",
  headers: new Map([["content-type", "application/json"]]),
  timeMs: 1_790_000_000_000,
  user: "ada",
};

/** The acknowledgement of a publish, as the hand codec writes it. */
function published(name: string, id: number, offset: number): VectorSource {
  const bytes = new Uint8Array(publishedSize(id, offset, EPOCH));
  const end = writePublished(bytes, 0, id, offset, EPOCH);
  return {
    name,
    clause: "P-6.4",
    frame: encodeOk(id, publishedResult({ offset, epoch: EPOCH })),
    bytes: bytes.subarray(0, end),
  };
}

/** A plain publication, as the hand codec writes it. */
function publication(
  name: string,
  channelId: number,
  offset: number,
  payload: Uint8Array,
): VectorSource {
  const bytes = new Uint8Array(publicationSize(channelId, offset, payload.length));
  writePublication(bytes, 0, channelId, offset, payload, 0, payload.length, null);
  return {
    name,
    clause: "P-7.2",
    frame: encodePublication({ channelId, offset, payload, meta: null }),
    bytes,
  };
}

const connected: VectorSource[] = [
  {
    name: "connected, anonymous",
    clause: "P-6.1",
    frame: encodeConnected({
      id: 1,
      version: 1,
      connection: "c_8fQ2kX1bZr",
      user: null,
      node: "n_1a2b3c4d",
      serverTimeMs: 1_790_000_000_000,
      tokenExpiresInMs: 0,
      limits: {
        pingIntervalMs: 25_000,
        maxMessageBytes: 65_536,
        maxPayloadBytes: 64_512,
        maxSubscriptions: 128,
        receiptIntervalMs: 10_000,
        slowMs: 250,
      },
    }),
  },
  {
    name: "connected with a user whose token expires",
    clause: "P-6.1",
    frame: encodeConnected({
      id: 1,
      version: 1,
      connection: "c_8fQ2kX1bZr",
      user: "ada",
      node: "n_1a2b3c4d",
      serverTimeMs: 1_790_000_000_000,
      tokenExpiresInMs: 3_600_000,
      limits: {
        pingIntervalMs: 25_000,
        maxMessageBytes: 65_536,
        maxPayloadBytes: 64_512,
        maxSubscriptions: 128,
        receiptIntervalMs: 10_000,
        slowMs: 250,
      },
    }),
  },
];

const results: VectorSource[] = [
  {
    name: "subscribed",
    clause: "P-6.2",
    frame: encodeOk(
      2,
      subscribedResult({ channelId: 7, epoch: EPOCH, offset: 41, recovered: false, count: 0 }),
    ),
  },
  {
    name: "subscribed, three recovered",
    clause: "P-7.3",
    frame: encodeOk(
      4,
      subscribedResult({ channelId: 7, epoch: EPOCH, offset: 44, recovered: true, count: 3 }),
    ),
  },
  {
    name: "subscribed to a pattern",
    clause: "P-6.2",
    frame: encodeOk(
      6,
      subscribedResult({ channelId: 0, epoch: "", offset: 0, recovered: false, count: 0 }),
    ),
  },
  { name: "unsubscribed on request", clause: "P-6.3", frame: encodeOk(8, null) },
  published("published", 10, 42),
  published("published at an offset beyond 2^32", 10, 4_294_967_296),
  published("published at the largest offset", 4_294_967_295, Number.MAX_SAFE_INTEGER),
  {
    name: "history",
    clause: "P-6.5",
    frame: encodeOk(
      20,
      historyResult({
        epoch: EPOCH,
        offset: 44,
        complete: true,
        publications: [
          { offset: 42, payload: text("hello"), meta: null },
          { offset: 43, payload: binary(4), meta: META },
          { offset: 44, payload: new Uint8Array(0), meta: null },
        ],
      }),
    ),
  },
  {
    name: "history, empty and not complete",
    clause: "P-6.5",
    frame: encodeOk(
      19,
      historyResult({ epoch: EPOCH, offset: 44, complete: false, publications: [] }),
    ),
  },
  {
    name: "presence of two connections",
    clause: "P-6.7",
    frame: encodeOk(
      22,
      presenceResult([
        { connection: "c_8fQ2kX1bZr", user: "ada" },
        { connection: "c_0000000001", user: null },
      ]),
    ),
  },
  { name: "presence of nobody", clause: "P-6.7", frame: encodeOk(22, presenceResult([])) },
  { name: "refreshed", clause: "P-6.8", frame: encodeOk(12, refreshedResult(3_600_000)) },
  {
    name: "error without retry advice",
    clause: "P-8.1",
    frame: encodeError(9, Code.notSubscribed),
  },
  {
    name: "error with retry advice",
    clause: "P-8.1",
    frame: encodeError(10, Code.tooManyRequests, Code.tooManyRequests.text, 250),
  },
  {
    name: "error without a request",
    clause: "P-3.6",
    frame: encodeError(0, Code.badFrame, "the frame is cut short"),
  },
  {
    name: "pong",
    clause: "P-6.6",
    frame: encodePong({
      id: 17,
      clientTimeMs: 1_790_000_000_000,
      serverTimeMs: 1_790_000_000_003,
    }),
  },
];

const pushes: VectorSource[] = [
  publication("publication", 7, 42, text("hello")),
  publication("publication with nothing in it", 7, 43, new Uint8Array(0)),
  publication("publication at offset 127", 1, 127, text("x")),
  publication("publication at offset 128", 128, 128, text("x")),
  publication("publication at offset 65536", 65_536, 65_536, text("x")),
  publication("publication at offset 2^32", 4_294_967_295, 4_294_967_296, text("x")),
  publication("publication at the largest offset", 7, Number.MAX_SAFE_INTEGER, text("x")),
  publication("publication of 255 bytes", 7, 44, binary(255)),
  publication("publication of 256 bytes", 7, 45, binary(256)),
  {
    name: "publication with meta",
    clause: "P-6.9",
    frame: encodePublication({ channelId: 7, offset: 46, payload: text("hi"), meta: META }),
  },
  {
    name: "publication with the time alone",
    clause: "P-6.9",
    frame: encodePublication({
      channelId: 7,
      offset: 47,
      payload: text("hi"),
      meta: { ...EMPTY_META, timeMs: 1_790_000_000_000 },
    }),
  },
  {
    name: "channel announced to a pattern subscriber",
    clause: "P-6.11",
    frame: encodeChannel({ channelId: 9, name: "market.xrp", epoch: EPOCH, offset: 12 }),
  },
  {
    name: "gap",
    clause: "P-7.4",
    frame: encodeGap({ channelId: 7, from: 43, to: 50, reason: "slow", count: 8 }),
  },
  {
    name: "unsubscribed by the broker",
    clause: "P-7.6",
    frame: encodeUnsubscribed({
      channel: "chat.room",
      code: Code.forbidden.code,
      name: Code.forbidden.name,
      message: Code.forbidden.text,
    }),
  },
  {
    name: "join",
    clause: "P-7.5",
    frame: encodePresencePush({
      type: "join",
      channelId: 7,
      connection: "c_8fQ2kX1bZr",
      user: "ada",
    }),
  },
  {
    name: "leave, anonymous",
    clause: "P-7.5",
    frame: encodePresencePush({
      type: "leave",
      channelId: 7,
      connection: "c_8fQ2kX1bZr",
      user: null,
    }),
  },
  { name: "drain", clause: "P-7.7", frame: encodeDrain(10_000) },
  { name: "token-expiring", clause: "P-7.8", frame: encodeTokenExpiring(30_000) },
  {
    name: "notice of one channel",
    clause: "P-7.9",
    frame: encodeNotice({ channel: "chat.room", state: "degraded", message: "cut off" }),
  },
  {
    name: "notice of several channels",
    clause: "P-7.9",
    frame: encodeNotice({ channel: null, state: "ok", message: "whole again" }),
  },
];

/** Every reply and push in every variant, as the broker writes it. */
export const serverVectors: readonly VectorSource[] = [...connected, ...results, ...pushes];
