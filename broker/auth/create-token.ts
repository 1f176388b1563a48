import { createPrivateKey, createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { SignJWT } from "jose";

import { MAX_TOKEN_BYTES } from "../../protocol/limits.ts";
import { BadKey, keyAlgorithms, MIN_SECRET_BYTES, SECRET_ALGORITHMS } from "./algorithms.ts";
import type { TokenAlgorithm } from "./algorithms.ts";
import { BadClaims, idClaim, patternsClaim } from "./claims.ts";

export interface TokenRequest {
  /** User the token names. */
  readonly sub: string;
  /** Lifetime from now, s. */
  readonly expS: number;
  readonly publish?: readonly string[];
  readonly subscribe?: readonly string[];
  readonly presence?: readonly string[];
  readonly admin?: boolean;
  readonly trace?: boolean;
  readonly jti?: string;
  readonly issuer?: string;
  readonly audience?: string;
  /** Shared secret, or private key in PEM (PKCS 8) or JWK. */
  readonly key: string;
  /** Must fit the key; default: the first that does. */
  readonly alg?: TokenAlgorithm;
  /** Names the key for those who verify with a key set. */
  readonly kid?: string;
  /** ms since 1970; for tests. */
  readonly nowMs?: number;
}

/**
 * Signs a token that a broker with the matching key accepts.
 * @throws BadKey or BadClaims that says what is wrong
 */
export async function createToken(request: TokenRequest): Promise<string> {
  const key = readSigningKey(request.key);
  const fitting = key.type === "secret" ? SECRET_ALGORITHMS : keyAlgorithms(key);
  const alg = request.alg ?? fitting[0];
  if (alg === undefined || !fitting.includes(alg))
    throw new BadKey(`${alg} cannot be used with this key; it allows ${fitting.join(", ")}`);
  if (!Number.isSafeInteger(request.expS) || request.expS <= 0)
    throw new BadClaims("the lifetime must be a whole number of seconds, 1 at least");
  const issuedS = Math.floor((request.nowMs ?? Date.now()) / 1000);
  const jwt = new SignJWT({ tickwire: rightsOf(request) })
    .setProtectedHeader({
      alg,
      typ: "JWT",
      ...(request.kid === undefined ? {} : { kid: request.kid }),
    })
    .setSubject(idClaim(request.sub, "sub"))
    .setIssuedAt(issuedS)
    .setExpirationTime(issuedS + request.expS);
  if (request.jti !== undefined) jwt.setJti(idClaim(request.jti, "jti"));
  if (request.issuer !== undefined) jwt.setIssuer(request.issuer);
  if (request.audience !== undefined) jwt.setAudience(request.audience);
  const token = await jwt.sign(key);
  if (token.length > MAX_TOKEN_BYTES)
    throw new BadClaims(
      `the token has ${token.length} bytes, ${MAX_TOKEN_BYTES} at most; use fewer patterns`,
    );
  return token;
}

function rightsOf(request: TokenRequest): Record<string, unknown> {
  return {
    publish: patternsClaim(request.publish, "publish"),
    subscribe: patternsClaim(request.subscribe, "subscribe"),
    presence: patternsClaim(request.presence, "presence"),
    ...(request.admin === true ? { admin: true } : {}),
    ...(request.trace === true ? { trace: true } : {}),
  };
}

function readSigningKey(text: string): KeyObject {
  const trimmed = text.trim();
  if (trimmed.includes("PUBLIC KEY"))
    throw new BadKey("this is a public key; tokens are signed with the private key");
  try {
    if (trimmed.startsWith("-----BEGIN")) return createPrivateKey(trimmed);
    if (trimmed.startsWith("{"))
      return createPrivateKey({ key: JSON.parse(trimmed), format: "jwk" });
  } catch (error) {
    throw new BadKey("neither a private key in PEM nor a JWK", { cause: error });
  }
  const bytes = Buffer.from(text);
  if (bytes.length < MIN_SECRET_BYTES)
    throw new BadKey(`the secret is ${bytes.length} bytes; ${MIN_SECRET_BYTES} at least`);
  return createSecretKey(bytes);
}
