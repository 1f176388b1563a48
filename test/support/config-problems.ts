import { generateKeyPairSync } from "node:crypto";

import { ConfigError } from "../../broker/config/config-error.ts";
import { buildConfig } from "../../broker/config/config.ts";

/** As long as a secret must be. */
export const SECRET = "0123456789abcdef0123456789abcdef";

/** A new public key as PEM. */
export const publicPem = (kind: "rsa" | "ec" | "ed25519", bits = 2048): string => {
  const { publicKey } =
    kind === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: bits })
      : kind === "ec"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("ed25519");
  return publicKey.export({ type: "spki", format: "pem" });
};

/** What is wrong with an input, as `where: message`. */
export function problemsOf(input: object): string[] {
  try {
    buildConfig(input);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ where, message }) => `${where}: ${message}`);
  }
  return [];
}
