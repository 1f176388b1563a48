import { encodeBinary } from "../../protocol/binary-codec.ts";
import type { Frame } from "../../protocol/frame.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { encodeConnect } from "../../protocol/messages/connect.ts";
import { encodePublication } from "../../protocol/messages/publication.ts";
import { encodePublish, publishedResult } from "../../protocol/messages/publish.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import { encodeSubscribe } from "../../protocol/messages/subscribe.ts";
import { plainForm, text } from "./vector.ts";

const connectAndGo: Frame[] = [
  encodeConnect({ id: 1, version: 1, token: null, client: null }),
  encodeSubscribe({ id: 2, channel: "chat.room", recover: { type: "none" }, flags: 0 }),
  encodePublish({ id: 3, channel: "chat.room", payload: text("hello"), meta: null }),
];

const replyAndPublications: Frame[] = [
  encodeOk(3, publishedResult({ offset: 1, epoch: "k3Yb0aQx" })),
  encodePublication({ channelId: 7, offset: 1, payload: text("hello"), meta: null }),
  encodePublication({ channelId: 7, offset: 2, payload: text("a\nb"), meta: null }),
];

/** WebSocket messages of several frames: back to back in msgpack, a line each in JSON. */
export function messageVectors(): unknown[] {
  const codec = new JsonCodec();
  return [
    {
      name: "connect, subscribe and publish in one message",
      direction: "to-broker",
      frames: connectAndGo,
    },
    {
      name: "a reply and two publications in one message",
      direction: "to-client",
      frames: replyAndPublications,
    },
  ].map(({ name, direction, frames }) => ({
    name,
    clause: "P-3.3",
    direction,
    frames: frames.map((frame) => frame.map(plainForm)),
    hex: frames.map((frame) => encodeBinary(frame).toHex()).join(""),
    json: codec.join(frames.map((frame) => codec.encode(frame))),
  }));
}
