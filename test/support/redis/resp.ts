// RESP2, as much of it as a test needs: commands out, replies in.

/** An error reply. `code` is its first word: `WRONGTYPE`, `MOVED`, `NOSCRIPT` ... */
export class RedisReplyError extends Error {
  override readonly name = "RedisReplyError";
  readonly code: string;

  constructor(text: string) {
    super(text);
    this.code = text.split(" ", 1)[0] ?? text;
  }
}

/** Strings are UTF-8. An error inside an array (of EXEC) is a value; at the top it is thrown. */
export type Reply = string | number | null | RedisReplyError | readonly Reply[];
export type Argument = string | number | Uint8Array;

const LINE_END = Buffer.from("\r\n");

export function encodeCommand(args: readonly Argument[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = arg instanceof Uint8Array ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, LINE_END);
  }
  return Buffer.concat(parts);
}

export interface ReadReply {
  readonly reply: Reply;
  /** Index of the first byte after the reply. */
  readonly end: number;
}

/**
 * Reads the reply that starts at an index; undefined when its end has not come yet.
 * ```
 * +text\r\n   -ERR text\r\n   :42\r\n   $3\r\nabc\r\n   $-1\r\n   *2\r\n<reply><reply>   *-1\r\n
 * ```
 */
export function readReply(bytes: Buffer, start: number): ReadReply | undefined {
  const lineEnd = bytes.indexOf(LINE_END, start);
  if (lineEnd === -1) return undefined;
  const line = bytes.toString("utf8", start + 1, lineEnd);
  const end = lineEnd + LINE_END.length;
  const type = String.fromCharCode(bytes[start] ?? 0);
  switch (type) {
    case "+":
      return { reply: line, end };
    case "-":
      return { reply: new RedisReplyError(line), end };
    case ":":
      return { reply: Number(line), end };
    case "$":
      return readBulk(bytes, end, Number(line));
    case "*":
      return readArray(bytes, end, Number(line));
    default:
      throw new Error(`no RESP2 type begins with ${JSON.stringify(type)}`);
  }
}

function readBulk(bytes: Buffer, start: number, size: number): ReadReply | undefined {
  if (size === -1) return { reply: null, end: start };
  const end = start + size + LINE_END.length;
  if (bytes.length < end) return undefined;
  return { reply: bytes.toString("utf8", start, start + size), end };
}

function readArray(bytes: Buffer, start: number, count: number): ReadReply | undefined {
  if (count === -1) return { reply: null, end: start };
  const items: Reply[] = [];
  let end = start;
  for (let index = 0; index < count; index++) {
    const item = readReply(bytes, end);
    if (item === undefined) return undefined;
    items.push(item.reply);
    end = item.end;
  }
  return { reply: items, end };
}
