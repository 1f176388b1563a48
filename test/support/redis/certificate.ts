import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** A self-signed certificate and its key, both as PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** Valid from a day ago, for clocks that differ, to two days from now. */
const DAY_MS = 86_400_000;
const VALID_DAYS = 2;

const ECDSA_WITH_SHA256 = sequence(tlv(0x06, Buffer.from("2a8648ce3d040302", "hex")));
const COMMON_NAME = tlv(0x06, Buffer.from("550403", "hex"));
const SUBJECT_ALT_NAME = tlv(0x06, Buffer.from("551d11", "hex"));
const BASIC_CONSTRAINTS = tlv(0x06, Buffer.from("551d13", "hex"));
const TRUE = tlv(0x01, Buffer.from([0xff]));

/**
 * Makes a certificate for `localhost` and 127.0.0.1 that is its own authority, on a new P-256 key. Written as
 * DER here because neither Bun nor Node makes certificates, and not every machine has a tool that does.
 * ```
 * SEQUENCE { tbs, algorithm, BIT STRING signature }
 * tbs = SEQUENCE { [0] version, serial, algorithm, issuer, validity, subject, key, [3] extensions }
 * ```
 */
export function makeCertificate(): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = sequence(tlv(0x31, sequence(COMMON_NAME, utf8("tickwire test"))));
  const nowMs = Date.now();
  const toBeSigned = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    // The first byte keeps the number positive and of full length.
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(nowMs - DAY_MS), time(nowMs + VALID_DAYS * DAY_MS)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(authority(), hosts())),
  );
  const signature = sign("sha256", toBeSigned, privateKey);
  const der = sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(signature));
  return {
    certificate: pem("CERTIFICATE", der),
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
  };
}

function authority(): Buffer {
  return sequence(BASIC_CONSTRAINTS, TRUE, octets(sequence(TRUE)));
}

function hosts(): Buffer {
  const localhost = tlv(0x82, Buffer.from("localhost"));
  const loopback = tlv(0x87, Buffer.from([127, 0, 0, 1]));
  return sequence(SUBJECT_ALT_NAME, octets(sequence(localhost, loopback)));
}

/** Type, length, value. Lengths from 128 on are preceded by how many bytes they take. */
function tlv(type: number, value: Buffer): Buffer {
  const { length } = value;
  const header =
    length < 0x80
      ? [type, length]
      : length < 0x100
        ? [type, 0x81, length]
        : [type, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), value]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function integer(bytes: Buffer): Buffer {
  return tlv(0x02, bytes);
}

function octets(value: Buffer): Buffer {
  return tlv(0x04, value);
}

/** No unused bits at the end. */
function bitString(value: Buffer): Buffer {
  return tlv(0x03, Buffer.concat([Buffer.from([0]), value]));
}

function utf8(text: string): Buffer {
  return tlv(0x0c, Buffer.from(text));
}

/** UTCTime, `YYMMDDHHMMSSZ`; good until 2049. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/\D/g, "").slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
