import { readFile } from "node:fs/promises";

import { BadKey, isTokenAlgorithm, TOKEN_ALGORITHMS } from "../broker/auth/algorithms.ts";
import { BadClaims } from "../broker/auth/claims.ts";
import { createToken } from "../broker/auth/create-token.ts";
import type { TokenRequest } from "../broker/auth/create-token.ts";
import type { Command } from "./command.ts";
import { CliError, ExitCode, UsageError } from "./errors.ts";
import { optionsHelp, parseArguments } from "./options.ts";
import type { OptionValues } from "./options.ts";
import { print, say } from "./output.ts";
import { channelOrPattern, durationMs } from "./values.ts";

/** What a broker accepts unless it is told otherwise. */
const DEFAULT_MAX_AGE_S = 86_400;

const OPTIONS = {
  sub: { type: "string", value: "<user>", text: "user the token names; required" },
  exp: { type: "string", value: "<time>", text: "lifetime, such as 10m or 24h; default 1h" },
  publish: {
    type: "string",
    multiple: true,
    value: "<pattern>",
    text: "channels it may publish on; may be repeated, or a list with commas",
  },
  subscribe: {
    type: "string",
    multiple: true,
    value: "<pattern>",
    text: "channels it may subscribe to and read the history of; likewise",
  },
  presence: {
    type: "string",
    multiple: true,
    value: "<pattern>",
    text: "channels whose presence it may read; likewise",
  },
  admin: { type: "boolean", text: "may use the HTTP server API" },
  jti: { type: "string", value: "<id>", text: "id of the token, to revoke it by" },
  issuer: { type: "string", value: "<iss>", text: "issuer, when the broker requires one" },
  audience: { type: "string", value: "<aud>", text: "audience, when the broker requires one" },
  secret: {
    type: "string",
    value: "<text>",
    text: "shared secret of broker and issuers, or file:<path>; default: TICKWIRE_TOKEN_SECRET, which other users of this machine cannot see in the process list",
  },
  "private-key": {
    type: "string",
    value: "<file>",
    text: "sign with this private key (PEM or JWK) instead of a secret",
  },
  alg: {
    type: "string",
    value: "<name>",
    text: "signature algorithm; default: the first that fits",
  },
  kid: { type: "string", value: "<id>", text: "name of the key, for brokers that fetch a key set" },
} as const;

export const token: Command = {
  help: () => `tickwire token --sub <user> [options]

Makes an access token (JWT) and prints it, alone on one line.

${optionsHelp(OPTIONS)}

Example:
  export TICKWIRE_TOKEN_SECRET="$(openssl rand -base64 48)"
  tickwire token --sub ana --exp 8h --subscribe 'market.>' --publish orders.ana`,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    if (positionals[0] !== undefined) {
      throw new UsageError(`takes no arguments, and got ${JSON.stringify(positionals[0])}`);
    }
    const request = await readRequest(options);
    try {
      await print(`${await createToken(request)}\n`);
    } catch (error) {
      if (!(error instanceof BadKey || error instanceof BadClaims)) throw error;
      throw new CliError(error.message, { cause: error });
    }
    if (mayNothing(request)) say("note: it may connect, but not publish or subscribe anywhere");
    if (request.expS > DEFAULT_MAX_AGE_S) {
      say("note: a broker refuses tokens that live longer than its tokenMaxAgeS, by default 24h");
    }
    return ExitCode.done;
  },
};

async function readRequest(options: OptionValues<typeof OPTIONS>): Promise<TokenRequest> {
  const { sub, exp = "1h", alg, jti, issuer, audience, kid } = options;
  if (sub === undefined) throw new UsageError("--sub is required: the user the token names");
  if (alg !== undefined && !isTokenAlgorithm(alg)) {
    throw new UsageError(`--alg must be one of ${TOKEN_ALGORITHMS.join(", ")}`);
  }
  return {
    sub,
    expS: Math.max(1, Math.round(durationMs("--exp", exp) / 1000)),
    publish: patterns(options.publish),
    subscribe: patterns(options.subscribe),
    presence: patterns(options.presence),
    admin: options.admin === true,
    key: await readKey(options.secret, options["private-key"]),
    ...(alg === undefined ? {} : { alg }),
    ...(jti === undefined ? {} : { jti }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
    ...(kid === undefined ? {} : { kid }),
  };
}

function patterns(given: readonly string[] = []): string[] {
  return given.flatMap((item) => item.split(",")).map(channelOrPattern);
}

function mayNothing({ publish, subscribe, presence, admin }: TokenRequest): boolean {
  const count = [publish, subscribe, presence].reduce((sum, list) => sum + (list?.length ?? 0), 0);
  return count === 0 && admin !== true;
}

async function readKey(secret: string | undefined, file: string | undefined): Promise<string> {
  if (secret !== undefined && file !== undefined) {
    throw new UsageError("--secret and --private-key exclude each other");
  }
  if (file !== undefined) return readPrivateKey(file);
  const text = secret ?? process.env["TICKWIRE_TOKEN_SECRET"];
  if (text === undefined || text === "") {
    throw new UsageError("needs a key: --secret, TICKWIRE_TOKEN_SECRET or --private-key");
  }
  return text.startsWith("file:") ? (await readText(text.slice("file:".length))).trimEnd() : text;
}

/** What is no key would be taken for a shared secret otherwise. */
async function readPrivateKey(path: string): Promise<string> {
  const text = (await readText(path)).trim();
  if (text.startsWith("-----BEGIN") || text.startsWith("{")) return text;
  throw new CliError(`${path} has no private key in PEM or JWK`);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
