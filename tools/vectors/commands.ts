import { encodeConnect } from "../../protocol/messages/connect.ts";
import { encodeHistory } from "../../protocol/messages/history.ts";
import { EMPTY_META } from "../../protocol/messages/meta.ts";
import { encodePing } from "../../protocol/messages/ping.ts";
import { encodePresence } from "../../protocol/messages/presence.ts";
import { encodePublish, publishSize, writePublish } from "../../protocol/messages/publish.ts";
import { encodeReceipt } from "../../protocol/messages/receipt.ts";
import { encodeRefresh } from "../../protocol/messages/refresh.ts";
import { encodeSubscribe, SubscribeFlag } from "../../protocol/messages/subscribe.ts";
import { encodeUnsubscribe } from "../../protocol/messages/unsubscribe.ts";
import { binary, text } from "./vector.ts";
import type { VectorSource } from "./vector.ts";

const TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEiLCJleHAiOjE4OTM0NTYwMDB9.c2lnbmF0dXJl";
const CHANNEL_31 = "market.spot.binance.xrpusdt.obk";
const CHANNEL_32 = "market.spot.binance.xrpusdt.book";
const CHANNEL_255 = `room.${"x".repeat(250)}`;

/** A plain publish, as the hand codec writes it. */
function publish(name: string, id: number, channel: string, payload: Uint8Array): VectorSource {
  const bytes = new Uint8Array(publishSize(id, channel, payload.length));
  writePublish(bytes, 0, id, channel, payload);
  return {
    name,
    clause: "P-6.4",
    frame: encodePublish({ id, channel, payload, meta: null }),
    bytes,
  };
}

const connecting: VectorSource[] = [
  {
    name: "connect, anonymous, without a name",
    clause: "P-6.1",
    frame: encodeConnect({ id: 1, version: 1, token: null, client: null }),
  },
  {
    name: "connect with a token and a name",
    clause: "P-6.1",
    frame: encodeConnect({ id: 1, version: 1, token: TOKEN, client: "desk-7" }),
  },
  {
    name: "connect with the largest request id and version",
    clause: "P-6.1",
    frame: encodeConnect({ id: 4_294_967_295, version: 65_535, token: null, client: "é" }),
  },
  {
    name: "refresh",
    clause: "P-6.8",
    frame: encodeRefresh({ id: 12, token: TOKEN }),
  },
];

const subscribing: VectorSource[] = [
  {
    name: "subscribe, live only",
    clause: "P-6.2",
    frame: encodeSubscribe({ id: 2, channel: "chat.room", recover: { type: "none" }, flags: 0 }),
  },
  {
    name: "subscribe with the newest 10",
    clause: "P-6.2",
    frame: encodeSubscribe({
      id: 3,
      channel: "chat.room",
      recover: { type: "last", count: 10 },
      flags: 0,
    }),
  },
  {
    name: "subscribe with the newest 1000",
    clause: "P-6.2",
    frame: encodeSubscribe({
      id: 3,
      channel: "chat.room",
      recover: { type: "last", count: 1000 },
      flags: 0,
    }),
  },
  {
    name: "subscribe from a position, with presence and its pushes",
    clause: "P-6.2",
    frame: encodeSubscribe({
      id: 4,
      channel: "chat.room",
      recover: { type: "position", position: { epoch: "k3Yb0aQx", offset: 41 } },
      flags: SubscribeFlag.presence | SubscribeFlag.joinLeave,
    }),
  },
  {
    name: "subscribe from a position beyond 2^32",
    clause: "P-6.2",
    frame: encodeSubscribe({
      id: 5,
      channel: "chat.room",
      recover: { type: "position", position: { epoch: "k3Yb0aQx", offset: 4_294_967_296 } },
      flags: 0,
    }),
  },
  {
    name: "subscribe to one segment",
    clause: "P-6.2",
    frame: encodeSubscribe({ id: 6, channel: "market.*", recover: { type: "none" }, flags: 0 }),
  },
  {
    name: "subscribe to the rest, with join and leave pushes",
    clause: "P-6.2",
    frame: encodeSubscribe({
      id: 7,
      channel: "market.>",
      recover: { type: "none" },
      flags: SubscribeFlag.joinLeave,
    }),
  },
  {
    name: "unsubscribe",
    clause: "P-6.3",
    frame: encodeUnsubscribe({ id: 8, channel: "chat.room" }),
  },
  {
    name: "unsubscribe a pattern",
    clause: "P-6.3",
    frame: encodeUnsubscribe({ id: 9, channel: "market.>" }),
  },
];

const publishing: VectorSource[] = [
  publish("publish text", 10, "chat.room", text("hello")),
  publish("publish without a reply", 0, "chat.room", text("hello")),
  publish("publish nothing", 11, "chat.room", new Uint8Array(0)),
  publish("publish a byte order mark", 11, "chat.room", Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)),
  publish("publish text of several bytes a character", 11, "chat.room", text("né€😀")),
  publish("publish line breaks and quotes", 11, "chat.room", text('a\n"b"\r\n\t\\')),
  publish("publish bytes that are not text", 11, "chat.room", Uint8Array.of(0xc1, 0x00, 0xff)),
  publish("publish with id 127", 127, "a", text("x")),
  publish("publish with id 128", 128, "a", text("x")),
  publish("publish with id 255", 255, "a", text("x")),
  publish("publish with id 256", 256, "a", text("x")),
  publish("publish with id 65535", 65_535, "a", text("x")),
  publish("publish with id 65536", 65_536, "a", text("x")),
  publish("publish with id 4294967295", 4_294_967_295, "a", text("x")),
  publish("publish, channel of 31 bytes", 13, CHANNEL_31, text("x")),
  publish("publish, channel of 32 bytes", 13, CHANNEL_32, text("x")),
  publish("publish, channel of 255 bytes", 13, CHANNEL_255, text("x")),
  publish("publish 255 bytes", 14, "a", binary(255)),
  publish("publish 256 bytes", 14, "a", binary(256)),
  {
    name: "publish with an empty meta",
    clause: "P-6.9",
    frame: encodePublish({ id: 15, channel: "chat.room", payload: text("hi"), meta: EMPTY_META }),
  },
  {
    name: "publish with all that a client may put into meta",
    clause: "P-6.9",
    frame: encodePublish({
      id: 16,
      channel: "chat.room",
      payload: text("hi"),
      meta: {
        ...EMPTY_META,
        id: "order-17",
        key: "XRPUSDT",
        headers: new Map([
          ["content-type", "application/json"],
          ["b64", "not base64!"],
        ]),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        tracestate: "vendor=t61rcWkgMzE",
      },
    }),
  },
  {
    name: "publish with when it was published",
    clause: "P-6.9",
    frame: encodePublish({
      id: 16,
      channel: "chat.room",
      payload: text("hi"),
      meta: { ...EMPTY_META, timeMs: 1_790_000_000_000 },
    }),
  },
  {
    name: "publish with when it was published, to a fraction of a millisecond",
    clause: "P-6.9",
    frame: encodePublish({
      id: 16,
      channel: "chat.room",
      payload: text("hi"),
      meta: {
        ...EMPTY_META,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        timeMs: 1_790_000_000_000.25,
      },
    }),
  },
  {
    name: "publish with a time before 1970, which is nobody's error",
    clause: "P-6.9",
    frame: encodePublish({
      id: 16,
      channel: "chat.room",
      payload: text("hi"),
      meta: { ...EMPTY_META, timeMs: -1.5 },
    }),
  },
  {
    name: "publish with one header, named b64",
    clause: "P-3.5",
    frame: encodePublish({
      id: 16,
      channel: "chat.room",
      payload: binary(3),
      meta: { ...EMPTY_META, headers: new Map([["b64", "not base64!"]]) },
    }),
  },
];

const asking: VectorSource[] = [
  {
    name: "ping",
    clause: "P-6.6",
    frame: encodePing({ id: 17, clientTimeMs: 1_790_000_000_000 }),
  },
  { name: "ping without a time", clause: "P-6.6", frame: encodePing({ id: 18, clientTimeMs: 0 }) },
  {
    name: "history, the newest 50",
    clause: "P-6.5",
    frame: encodeHistory({ id: 19, channel: "chat.room", limit: 50, since: null }),
  },
  {
    name: "history since a position",
    clause: "P-6.5",
    frame: encodeHistory({
      id: 20,
      channel: "chat.room",
      limit: 1000,
      since: { epoch: "k3Yb0aQx", offset: 41 },
    }),
  },
  {
    name: "history, the position alone",
    clause: "P-6.5",
    frame: encodeHistory({ id: 21, channel: "chat.room", limit: 0, since: null }),
  },
  {
    name: "presence",
    clause: "P-6.7",
    frame: encodePresence({ id: 22, channel: "chat.room" }),
  },
  {
    name: "receipt",
    clause: "P-6.10",
    frame: encodeReceipt({
      channelId: 7,
      offset: 42,
      receivedAtMs: 1_790_000_000_012,
      uncertaintyMs: null,
    }),
  },
  {
    name: "receipt of a client that knows how wrong it may be",
    clause: "P-6.10",
    frame: encodeReceipt({
      channelId: 7,
      offset: 43,
      receivedAtMs: 1_790_000_000_512,
      uncertaintyMs: 3,
    }),
  },
];

/** Every command in every variant, as this tree's own client writes it. */
export const commandVectors: readonly VectorSource[] = [
  ...connecting,
  ...subscribing,
  ...publishing,
  ...asking,
];
