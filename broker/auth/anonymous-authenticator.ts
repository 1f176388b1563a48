import { Code } from "../../protocol/codes.ts";
import { AccessError } from "../ports.ts";
import type { Authenticator, Identity } from "../ports.ts";
import { allGrants } from "./grants.ts";

const ANONYMOUS: Identity = Object.freeze({
  user: null,
  grants: allGrants,
  expiresAtMs: 0,
  issuedAtMs: 0,
  tokenId: null,
  isAdmin: false,
  mayTrace: false,
});

/**
 * Everybody is the same nobody, who may use every channel but not the server API. For brokers without a
 * key; a token is refused there, since a forgotten key must not turn users into nobody unseen.
 */
export class AnonymousAuthenticator implements Authenticator {
  authenticate(token: string | null): Promise<Identity> {
    if (token === null) return Promise.resolve(ANONYMOUS);
    const message = "this broker has no key to verify tokens with; connect without one";
    return Promise.reject(new AccessError(Code.unauthorized, message));
  }

  isRevoked(): boolean {
    return false;
  }

  /** Nobody can be told from nobody; open connections are closed by name. */
  revoke(): void {}
}
