import { expect, test } from "bun:test";

import { AnonymousAuthenticator } from "../../../broker/auth/anonymous-authenticator.ts";
import { createAuthenticator } from "../../../broker/auth/create-authenticator.ts";
import { buildConfig } from "../../../broker/config/config.ts";
import { silentLogger, systemClock } from "../../../broker/ports.ts";
import { Code } from "../../../protocol/codes.ts";

test("a broker without a key takes everybody as nobody, who is no administrator", async () => {
  const authenticator = createAuthenticator(buildConfig(), systemClock, silentLogger);
  expect(authenticator).toBeInstanceOf(AnonymousAuthenticator);
  const identity = await authenticator.authenticate(null);
  expect(identity).toMatchObject({ user: null, expiresAtMs: 0, isAdmin: false, tokenId: null });
  expect(identity.grants.maySubscribe(">")).toBe(true);
  expect(identity.grants.mayPublish("a.b")).toBe(true);
  authenticator.revoke({ user: "ann" });
  expect(authenticator.isRevoked(identity)).toBe(false);
});

test("it does not take a token for nothing", () => {
  const authenticator = new AnonymousAuthenticator();
  expect(authenticator.authenticate("a.b.c")).rejects.toMatchObject({ info: Code.unauthorized });
});
