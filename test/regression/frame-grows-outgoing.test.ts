import { expect, test } from "bun:test";

import { Outgoing } from "../../client/outgoing.ts";

// A frame for which the buffer has to grow belongs into the new buffer, not into the one it replaces.
test("frames of one tick beyond the first buffer arrive whole", async () => {
  const messages: Uint8Array[] = [];
  const outgoing = new Outgoing((message) => messages.push(message));
  const frames = Array.from({ length: 100 }, (_, i) => new Uint8Array(150).fill(i));
  for (const frame of frames) outgoing.frame(frame);
  await Promise.resolve();
  expect(Buffer.concat(messages).equals(Buffer.concat(frames))).toBe(true);
});
