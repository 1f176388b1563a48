import { expect } from "bun:test";

import { codeInfo } from "../../protocol/codes.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { Random } from "./random.ts";
import type { RawClose, RawWebSocket } from "./raw-websocket.ts";
import { wsFrame, WsOpcode } from "./websocket-frames.ts";

type Format = "msgpack" | "json";

/** Messages one connection sends at most. */
const MAX_MESSAGES = 12;

/** A ping with an id that no damaged frame is likely to have, and what its answer holds. */
const SENTINEL = {
  msgpack: Buffer.from("9306ce5eed5eed00", "hex"),
  json: Buffer.from("[6,1592614637,0]"),
} as const;
const SENTINEL_ANSWER = {
  msgpack: Buffer.from("942ace5eed5eed", "hex"),
  json: Buffer.from("[42,1592614637,"),
} as const;

/** Whether decoding says that the message would end the connection that sends it. */
export function isBadFrame(decode: () => void): boolean {
  try {
    decode();
    return false;
  } catch (error) {
    if (error instanceof ProtocolError) return true;
    throw error;
  }
}

/**
 * What one hostile connection sends. Most damage ends the connection at once, so every other one sends
 * only messages that parse, and gets further.
 */
export function hostileMessages<Message>(
  random: Random,
  next: () => Message,
  isBad: (message: Message) => boolean,
): Message[] {
  const mayBeBad = random.chance(0.5);
  const messages: Message[] = [];
  const wanted = random.between(1, MAX_MESSAGES);
  while (messages.length < wanted) {
    const message = next();
    if (mayBeBad || !isBad(message)) messages.push(message);
  }
  return messages;
}

/** How many connections ended how: by close code, "cut" without one, "survived" when they did not. */
export class Endings {
  readonly #counts = new Map<number | "cut" | "survived", number>();

  get kinds(): number {
    return this.#counts.size;
  }

  of(ending: number | "cut" | "survived"): number {
    return this.#counts.get(ending) ?? 0;
  }

  add(ending: number | "cut" | "survived"): void {
    this.#counts.set(ending, this.of(ending) + 1);
  }

  /**
   * Counts a close, which must be from the registry or one that RFC 6455 has for such cases.
   * @param mayEcho what was sent may have been a close frame with any code, which comes back as it is (RFC 6455, 5.5.1)
   */
  addClose({ code, reason }: RawClose, mayEcho = false): void {
    const ofRfc6455 = [1000, 1002, 1005, 1007, 1009];
    const isOurs = code === null || ofRfc6455.includes(code) || codeInfo(code) !== undefined;
    const isKnown = isOurs || (mayEcho && isSendable(code));
    expect({ code, isKnown }).toEqual({ code, isKnown: true });
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
    this.add(code ?? "cut");
  }
}

/** Whether a client may put this code into a close frame (RFC 6455, 7.4). */
function isSendable(code: number): boolean {
  if (code >= 3000) return code < 5000;
  return code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code);
}

/** Sends messages in one go, and waits for the answer to a ping behind them, or for the end. */
export async function attack(
  socket: RawWebSocket,
  format: Format,
  messages: readonly Uint8Array[],
  endings: Endings,
): Promise<void> {
  const opcode = format === "json" ? WsOpcode.text : WsOpcode.binary;
  const sent = [...messages, SENTINEL[format]];
  socket.write(...sent.map((message) => wsFrame(opcode, message)));
  const answered = socket.until(() =>
    socket.frames.some(({ payload }) => Buffer.from(payload).includes(SENTINEL_ANSWER[format])),
  );
  // `until` rejects when the connection ends first.
  const survived = await answered.then(
    () => true,
    () => false,
  );
  if (survived) endings.add("survived");
  else endings.addClose(await socket.closed);
}
