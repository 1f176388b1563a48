import {
  BadKey,
  isTokenAlgorithm,
  keyAlgorithms,
  MIN_SECRET_BYTES,
  readPublicKey,
  TOKEN_ALGORITHMS,
} from "../auth/algorithms.ts";
import type { TokenAlgorithm } from "../auth/algorithms.ts";
import { BadValue } from "./config-error.ts";
import { shown } from "./option.ts";
import { readFile } from "./text-option.ts";

/** Checks of single values; what concerns two options is in rules.ts. */

/** Shortest API key, characters: 16 random ones cannot be guessed over a network. */
const MIN_API_KEY_LENGTH = 16;
const MAX_API_KEY_LENGTH = 256;

export function checkHost(value: string): string {
  if (!/^[A-Za-z0-9.:_-]{1,253}$/.test(value))
    throw new BadValue(
      `${shown(value)} is not a host name or address, such as 127.0.0.1 or 0.0.0.0`,
    );
  return value;
}

export function checkNode(value: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(value))
    throw new BadValue(`${shown(value)} must be 1 to 64 letters, digits, "_" or "-"`);
  return value;
}

export function checkOrigin(value: string): string {
  if (value === "*") return value;
  const url = URL.canParse(value) ? new URL(value) : null;
  if (
    url === null ||
    url.origin === "null" ||
    url.hostname.includes("*") ||
    url.origin !== value.toLowerCase()
  )
    throw new BadValue(
      `${shown(value)} is not an origin; give scheme://host or scheme://host:port, without a path or a default port`,
    );
  return url.origin;
}

export function checkTokenSecret(value: string): string {
  const bytes = Buffer.byteLength(value);
  if (bytes < MIN_SECRET_BYTES)
    throw new BadValue(
      `is ${bytes} bytes; ${MIN_SECRET_BYTES} at least, for example from \`openssl rand -base64 48\``,
    );
  return value;
}

/** A public key as text, or the path of a file that holds it; resolves to the text. */
export function checkPublicKey(value: string): string {
  const isText = value.includes("-----BEGIN") || value.trimStart().startsWith("{");
  // In many .env files and secret stores a PEM has "\\n" for its line ends.
  const text = isText ? value.replaceAll(String.raw`\n`, "\n") : readFile(value);
  try {
    keyAlgorithms(readPublicKey(text));
  } catch (error) {
    if (!(error instanceof BadKey)) throw error;
    throw new BadValue(error.message, { cause: error });
  }
  return text;
}

/** Keys fetched in the clear could be replaced on the way, and with them every identity. */
export function checkJwksUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null) throw new BadValue("is not a URL");
  if (url.username !== "" || url.password !== "")
    throw new BadValue("must not carry a user name or password");
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopbackHost(url.hostname)))
    throw new BadValue("must begin with https: (http: is for loopback only)");
  return url.href;
}

export function checkAlgorithm(value: string): TokenAlgorithm {
  if (!isTokenAlgorithm(value))
    throw new BadValue(
      `${shown(value)} is not allowed; give any of ${TOKEN_ALGORITHMS.join(", ")}`,
    );
  return value;
}

export function checkApiKey(value: string): string {
  if (value.length < MIN_API_KEY_LENGTH || value.length > MAX_API_KEY_LENGTH)
    throw new BadValue(
      `an API key must have ${MIN_API_KEY_LENGTH} to ${MAX_API_KEY_LENGTH} characters`,
    );
  if (!/^[\x21-\x7e]+$/.test(value))
    throw new BadValue("an API key must be printable ASCII without spaces, to fit a header");
  return value;
}

/** Host names and addresses that only this machine can reach. Brackets around IPv6 are allowed. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  return (
    name === "localhost" ||
    name === "::1" ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name) ||
    /^::ffff:127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
  );
}

/** A Redis URL; it may carry a user and a password, and is never shown. */
export function checkRedisUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (
    url === null ||
    (url.protocol !== "redis:" && url.protocol !== "rediss:") ||
    url.hostname === ""
  )
    throw new BadValue("must be a URL such as redis://host:6379, or rediss:// for TLS");
  return value;
}

/** One node of a cluster, as host:port or URL; a URL comes out. */
export function checkRedisSeed(value: string): string {
  return checkRedisUrl(value.includes("://") ? value : `redis://${value}`);
}

export function checkRedisSentinel(value: string): string {
  parseSentinel(value);
  return value;
}

/** Where a Sentinel-watched master is to be asked for. */
export interface SentinelAddress {
  readonly name: string;
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
}

/** Reads `name@host:port,host:port`. @throws BadValue */
export function parseSentinel(value: string): SentinelAddress {
  const match = /^([A-Za-z0-9_.-]+)@(.+)$/.exec(value);
  const sentinels = (match?.[2] ?? "").split(",").map((item) => {
    const url = URL.parse(`redis://${item.trim()}`);
    return { host: url?.hostname ?? "", port: Number(url?.port || 26379) };
  });
  if (match?.[1] === undefined || sentinels.some(({ host }) => host === ""))
    throw new BadValue("must be name@host:port, with more sentinels after commas");
  return { name: match[1], sentinels };
}

export function checkRedisPrefix(value: string): string {
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(value))
    throw new BadValue(`${shown(value)} must be 1 to 32 letters, digits, "_" or "-"`);
  return value;
}

/** A file of certificates; its path comes out. */
export function checkCertificateFile(path: string): string {
  if (!readFile(path).includes("-----BEGIN CERTIFICATE-----"))
    throw new BadValue(`the file ${shown(path)} has no certificate in PEM`);
  return path;
}
