import { createHmac } from "node:crypto";

const part = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token put together by hand, so that header and claims may be anything. Texts are taken as they are. */
export function rawToken(
  header: unknown,
  payload: unknown,
  sign: (input: string) => Uint8Array,
): string {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${Buffer.from(sign(input)).toString("base64url")}`;
}

export function hmac(secret: string | Uint8Array, hash = "sha256"): (input: string) => Uint8Array {
  return (input) => createHmac(hash, secret).update(input).digest();
}
