import { createAuthenticator } from "../../broker/auth/create-authenticator.ts";
import { buildConfig } from "../../broker/config/config.ts";
import type { ConfigInput } from "../../broker/config/config.ts";
import { AccessError } from "../../broker/ports.ts";
import type { Authenticator } from "../../broker/ports.ts";
import { MemoryLogger } from "./memory-logger.ts";
import { VirtualClock } from "./virtual-clock.ts";

export const SECRET = "a secret of at least thirty-two bytes";
/** Header of a token signed with `SECRET`. */
export const HS = { alg: "HS256", typ: "JWT" };

/** An authenticator with a clock of its own; verifies with `SECRET` unless another key is given. */
export function setUp(input: ConfigInput = {}): {
  clock: VirtualClock;
  authenticator: Authenticator;
  nowS: number;
} {
  const clock = new VirtualClock();
  const isKeyGiven = "tokenPublicKey" in input;
  const config = buildConfig({ ...(isKeyGiven ? {} : { tokenSecret: SECRET }), ...input });
  const authenticator = createAuthenticator(config, clock, new MemoryLogger());
  return { clock, authenticator, nowS: clock.wallMs() / 1000 };
}

/** The name of the code and the message a token is refused with; "accepted" when it is not. */
export async function outcome(authenticator: Authenticator, token: string | null): Promise<string> {
  try {
    await authenticator.authenticate(token);
    return "accepted";
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    return `${error.info.name}: ${error.message}`;
  }
}
