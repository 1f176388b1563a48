import type { JSONWebKeySet } from "jose";

/** Bytes and keys of one key set; providers publish a few keys of about 1 KiB. */
const MAX_BYTES = 256 * 1024;
const MAX_KEYS = 100;

/**
 * Fetches a key set. Redirects are not followed: the configured URL is the one that is trusted.
 * @throws Error that says what was wrong with the answer
 */
export async function fetchJwks(url: string, timeoutMs: number): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    redirect: "error",
    headers: { accept: "application/jwk-set+json, application/json" },
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the answer has status ${response.status}`);
  }
  return parseJwks(await readBounded(response));
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`the answer is longer than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJwks(text: string): JSONWebKeySet {
  const value: unknown = JSON.parse(text);
  const keys: unknown = typeof value === "object" && value !== null ? Object(value).keys : null;
  if (!Array.isArray(keys)) throw new Error("the answer is no key set");
  if (keys.length > MAX_KEYS) throw new Error(`the key set has more than ${MAX_KEYS} keys`);
  // Keys for encryption, shared secrets and unknown kinds may stand beside the ones for signatures.
  const usable = keys.filter((key: unknown) => {
    const kind: unknown = typeof key === "object" && key !== null ? Object(key).kty : null;
    return kind === "RSA" || kind === "EC" || kind === "OKP";
  });
  if (usable.length === 0) throw new Error("the key set has no key for signatures");
  return { keys: usable as JSONWebKeySet["keys"] };
}
