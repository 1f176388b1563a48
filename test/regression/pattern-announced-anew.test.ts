import { describe, expect, test } from "bun:test";

import { encodeUnsubscribe } from "../../protocol/messages/unsubscribe.ts";
import { PlainNode } from "../support/plain-node.ts";
import type { PlainClient } from "../support/plain-node.ts";
import { publishFrame, subscribeFrame } from "../support/protocol-client.ts";

/** Announcements and publications a client got, as short words. */
function story(client: PlainClient): string[] {
  return client.frames.flatMap((frame) => {
    if (frame.type === "channel") return [`${frame.name} after ${frame.offset}`];
    return frame.type === "publication" ? [String(frame.offset)] : [];
  });
}

describe("a channel is announced anew [P-6.11] [P-7.2]", () => {
  test("when its pattern was unsubscribed and subscribed again, as publications were left out", async () => {
    const node = new PlainNode();
    const client = await node.connect();
    const other = await node.connect();
    client.send(subscribeFrame(2, "a.*"));
    other.send(publishFrame(0, "a.b", "1"));
    await node.settle();
    client.send(encodeUnsubscribe({ id: 3, channel: "a.*" }));
    other.send(publishFrame(0, "a.b", "2"));
    client.send(subscribeFrame(4, "a.>"));
    other.send(publishFrame(0, "a.b", "3"));
    await node.settle();
    expect(story(client)).toEqual(["a.b after 0", "1", "a.b after 2", "3"]);
  });

  test("also when another pattern of the session stayed, which does not match it", async () => {
    const node = new PlainNode();
    const client = await node.connect();
    const other = await node.connect();
    client.send(subscribeFrame(2, "a.*"), subscribeFrame(3, "x.*"));
    other.send(publishFrame(0, "a.b", "1"));
    await node.settle();
    client.send(encodeUnsubscribe({ id: 4, channel: "a.*" }));
    other.send(publishFrame(0, "a.b", "2"));
    client.send(subscribeFrame(5, "a.*"));
    other.send(publishFrame(0, "a.b", "3"));
    await node.settle();
    expect(story(client)).toEqual(["a.b after 0", "1", "a.b after 2", "3"]);
  });

  test("but not when one of several patterns goes and another goes on", async () => {
    const node = new PlainNode();
    const client = await node.connect();
    const other = await node.connect();
    client.send(subscribeFrame(2, "a.*"), subscribeFrame(3, "a.>"));
    other.send(publishFrame(0, "a.b", "1"));
    await node.settle();
    client.send(encodeUnsubscribe({ id: 4, channel: "a.>" }));
    other.send(publishFrame(0, "a.b", "2"));
    await node.settle();
    expect(story(client)).toEqual(["a.b after 0", "1", "2"]);
  });

  test("when a subscription by name ends and the pattern takes over", async () => {
    const node = new PlainNode();
    const client = await node.connect();
    const other = await node.connect();
    client.send(subscribeFrame(2, "a.*"), subscribeFrame(3, "a.b"));
    other.send(publishFrame(0, "a.b", "1"));
    await node.settle();
    client.send(encodeUnsubscribe({ id: 4, channel: "a.b" }));
    other.send(publishFrame(0, "a.b", "2"), publishFrame(0, "a.b", "3"));
    await node.settle();
    expect(story(client)).toEqual(["1", "a.b after 1", "2", "3"]);
  });
});
