import { Code } from "../../protocol/codes.ts";
import type { ConnectCommand } from "../../protocol/messages/connect.ts";
import { encodeConnected } from "../../protocol/messages/connected.ts";
import { MIN_PROTOCOL_VERSION, PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { BrokerContext } from "../context.ts";
import { AccessError } from "../ports.ts";
import type { Identity } from "../ports.ts";
import type { Session } from "../session.ts";

/** Verifies the client's token and opens the session [P-6.1]. A refusal ends the connection. */
export async function connect(
  context: BrokerContext,
  session: Session,
  command: ConnectCommand,
): Promise<void> {
  if (session.state !== "new") {
    session.fail(command.id, Code.alreadyConnected);
    return;
  }
  if (command.version < MIN_PROTOCOL_VERSION || command.version > PROTOCOL_VERSION) {
    session.failAndClose(
      command.id,
      Code.unsupportedVersion,
      `this broker speaks versions ${MIN_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}`,
    );
    return;
  }
  session.state = "authenticating";
  session.client = command.client;
  const identity = await identify(context, session, command);
  // The socket may have closed while the token was being verified.
  if (identity === null || (session.state as string) === "closed") return;
  accept(context, session, command, identity);
}

async function identify(
  context: BrokerContext,
  session: Session,
  command: ConnectCommand,
): Promise<Identity | null> {
  try {
    // A token in the frame is the newer one; without it the request's counts, verified before the upgrade.
    if (command.token === null && session.identity !== null) return session.identity;
    return await context.authenticator.authenticate(command.token);
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    session.failAndClose(command.id, error.info, error.message);
    return null;
  }
}

function accept(
  context: BrokerContext,
  session: Session,
  command: ConnectCommand,
  identity: Identity,
): void {
  const { registry, maxConnectionsPerUser, clock } = context;
  const { user } = identity;
  if (
    user !== null &&
    maxConnectionsPerUser > 0 &&
    registry.ofUser(user).size >= maxConnectionsPerUser
  ) {
    session.failAndClose(
      command.id,
      Code.connectionLimit,
      `a user may have ${maxConnectionsPerUser} connections`,
    );
    return;
  }
  session.identity = identity;
  session.state = "connected";
  registry.connected(session, user);
  session.reply(
    encodeConnected({
      id: command.id,
      version: command.version,
      connection: session.id,
      user,
      node: context.node,
      serverTimeMs: clock.wallMs(),
      tokenExpiresInMs: remainingMs(identity, clock.wallMs()),
      limits: context.limits,
    }),
  );
}

/** Time until the identity expires, ms; 0 when it never does. */
export function remainingMs(identity: Identity, wallMs: number): number {
  return identity.expiresAtMs === 0 ? 0 : Math.max(1, Math.round(identity.expiresAtMs - wallMs));
}
