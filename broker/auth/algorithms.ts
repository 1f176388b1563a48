import { createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** Every signature algorithm a token may be signed with; `none` and encryption are never among them. */
export const TOKEN_ALGORITHMS = [
  "HS256",
  "HS384",
  "HS512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

export function isTokenAlgorithm(value: unknown): value is TokenAlgorithm {
  return (TOKEN_ALGORITHMS as readonly unknown[]).includes(value);
}

/** Algorithms of a shared secret. */
export const SECRET_ALGORITHMS = TOKEN_ALGORITHMS.filter((name) => name.startsWith("HS"));

/** Algorithms of a key pair. */
export const PUBLIC_KEY_ALGORITHMS = TOKEN_ALGORITHMS.filter((name) => !name.startsWith("HS"));

/** Shortest shared secret, bytes: the output of the weakest hash in use (RFC 7518 3.2). */
export const MIN_SECRET_BYTES = 32;

/** Smallest RSA modulus, bits (RFC 7518 3.3). */
const MIN_RSA_BITS = 2048;

const CURVES: Readonly<Record<string, TokenAlgorithm>> = {
  prime256v1: "ES256",
  secp384r1: "ES384",
  secp521r1: "ES512",
};

/** A public key as PEM or JWK text cannot be used; the message says why. */
export class BadKey extends Error {
  override readonly name = "BadKey";
}

/**
 * Reads a public key from PEM (SPKI, PKCS 1, certificate) or JWK text.
 * @throws BadKey for a private key as well: a broker that only verifies must not hold one
 */
export function readPublicKey(text: string): KeyObject {
  const trimmed = text.trim();
  if (trimmed.includes("PRIVATE KEY"))
    throw new BadKey("this is a private key; give its public key");
  try {
    if (!trimmed.startsWith("{")) return createPublicKey(trimmed);
    const key: unknown = JSON.parse(trimmed);
    if (typeof key !== "object" || key === null || "k" in key || "d" in key)
      throw new BadKey("this JWK holds a secret; give the public key");
    return createPublicKey({ key, format: "jwk" });
  } catch (error) {
    if (error instanceof BadKey) throw error;
    throw new BadKey("neither a public key in PEM nor a JWK", { cause: error });
  }
}

/**
 * The algorithms a public key can verify.
 * @throws BadKey for a kind or size of key that no token may be signed with
 */
export function keyAlgorithms(key: KeyObject): readonly TokenAlgorithm[] {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case "rsa": {
      const bits = details?.modulusLength ?? 0;
      if (bits < MIN_RSA_BITS)
        throw new BadKey(`an RSA key of ${bits} bits is too short; ${MIN_RSA_BITS} at least`);
      return PUBLIC_KEY_ALGORITHMS.filter((name) => /^[RP]S/.test(name));
    }
    case "ec": {
      const algorithm = CURVES[details?.namedCurve ?? ""];
      if (algorithm === undefined) throw new BadKey("the curve must be P-256, P-384 or P-521");
      return [algorithm];
    }
    case "ed25519":
      return ["EdDSA"];
    default:
      throw new BadKey(`a key of type ${key.asymmetricKeyType ?? "unknown"} cannot verify tokens`);
  }
}
