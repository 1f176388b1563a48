import { Code } from "../../protocol/codes.ts";
import { HttpError } from "./http-error.ts";

export interface BodyLimits {
  readonly maxBytes: number;
  /** For the whole body: a client that sends a byte now and then must not hold a request open. */
  readonly timeoutMs: number;
}

/**
 * Reads a request's body as JSON. The size is checked before anything is read when the request names it,
 * and while reading in any case.
 * @throws HttpError
 */
export async function readJson(request: Request, limits: BodyLimits): Promise<unknown> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json")
    throw new HttpError(Code.badFrame, "the content type must be application/json", {
      status: 415,
    });
  const declared = Number(request.headers.get("content-length") ?? "0");
  if (declared > limits.maxBytes) throw tooLarge(limits.maxBytes);
  const bytes = await readBytes(request, limits);
  if (isDeeperThan(bytes, MAX_DEPTH))
    throw new HttpError(Code.badFrame, `the body is nested deeper than ${MAX_DEPTH} levels`);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new HttpError(Code.badFrame, "the body is not JSON in UTF-8", { cause });
  }
}

/**
 * Arrays and objects within one another. A few bytes of brackets more would take JSON.stringify to the end of
 * the stack, which it needs a second of CPU to find.
 */
const MAX_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Looks at brackets outside of strings; whether the rest is JSON is the parser's business. */
function isDeeperThan(bytes: Uint8Array, maxDepth: number): boolean {
  let depth = 0;
  let isInString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (isInString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) isInString = true;
    // "[" and "{" differ in one bit, and so do "]" and "}".
    else if ((byte | 0x20) === 0x7b) {
      if (++depth > maxDepth) return true;
    } else if ((byte | 0x20) === 0x7d) depth--;
  }
  return false;
}

function tooLarge(maxBytes: number): HttpError {
  return new HttpError(Code.tooLarge, `a body may have ${maxBytes} bytes`);
}

async function readBytes(request: Request, limits: BodyLimits): Promise<Uint8Array> {
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(tooSlow()), limits.timeoutMs);
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late.promise]);
      if (done) return Buffer.concat(chunks);
      bytes += value.length;
      if (bytes > limits.maxBytes) throw tooLarge(limits.maxBytes);
      chunks.push(value);
    }
  } catch (error) {
    // The rest is of no interest; that it cannot be cancelled either changes nothing.
    reader.cancel().catch(() => undefined);
    throw error instanceof HttpError
      ? error
      : new HttpError(Code.badFrame, "the body ended early", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function tooSlow(): HttpError {
  return new HttpError(Code.badFrame, "the body took too long", { status: 408 });
}
