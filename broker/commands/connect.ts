import { Code } from "../../protocol/codes.ts";
import type { ConnectCommand } from "../../protocol/messages/connect.ts";
import { encodeConnected } from "../../protocol/messages/connected.ts";
import { MIN_PROTOCOL_VERSION, PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { BrokerContext } from "../context.ts";
import { AccessError } from "../ports.ts";
import type { Identity } from "../ports.ts";
import type { Session } from "../sessions/session.ts";

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
  if (identity === null || isClosed(session)) return;
  const admission = admit(context, session, identity);
  const isAdmitted = typeof admission === "boolean" ? admission : await admission;
  // Or while the other nodes' connections were being counted.
  if (isClosed(session)) return;
  if (!isAdmitted) {
    session.failAndClose(
      command.id,
      Code.connectionLimit,
      `a user may have ${context.maxConnectionsPerUser} connections`,
    );
  } else if (context.authenticator.isRevoked(identity)) {
    // Revoked meanwhile, when there was no session yet that showed it.
    session.failAndClose(command.id, Code.revoked);
  } else accept(context, session, command, identity);
}

function isClosed(session: Session): boolean {
  return session.state === "closed";
}

function admit(
  { directory, maxConnectionsPerUser }: BrokerContext,
  session: Session,
  { user }: Identity,
): boolean | Promise<boolean> {
  return directory.admit(session, user, maxConnectionsPerUser);
}

async function identify(
  context: BrokerContext,
  session: Session,
  command: ConnectCommand,
): Promise<Identity | null> {
  try {
    // A token in the frame is the newer one; without it the request's counts, verified before the upgrade.
    if (command.token === null && session.identity !== null) return session.identity;
    return await context.authGate.authenticate(command.token, session.failureKey);
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    session.failAndClose(command.id, error.info, error.message, error.retryAfterMs);
    return null;
  }
}

function accept(
  context: BrokerContext,
  session: Session,
  command: ConnectCommand,
  identity: Identity,
): void {
  const { registry, clock, tracer } = context;
  const { user } = identity;
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
      tokenExpiresInMs: tokenExpiresInMs(context, identity),
      limits: {
        ...context.limits,
        receiptIntervalMs: tracer.receiptIntervalMs(registry.size),
      },
    }),
  );
}

/** Time until the token expires, by its own `exp`, ms; 0 when it never does, 1 when it just has. */
export function tokenExpiresInMs(
  { clock, tokenClockToleranceMs }: BrokerContext,
  { expiresAtMs }: Identity,
): number {
  if (expiresAtMs === 0) return 0;
  // The tolerance for clocks is in `expiresAtMs`: a client that counted on it would come too late.
  return Math.max(1, Math.round(expiresAtMs - tokenClockToleranceMs - clock.wallMs()));
}
