import { expect, test } from "bun:test";

import { Code as ClientCode, codeName, retryAdvice } from "../../client/codes.ts";
import { Code, retryAdvice as registryAdvice } from "../../protocol/codes.ts";

/* The client's short table of codes against the registry. */

const registry = Object.values(Code);

test("every code that closes a connection has its name", () => {
  // Before connect is answered the client cannot be told anything that it does not ask for.
  const unneeded = new Set<string>([Code.authTimeout.name, Code.notConnected.name]);
  const closing = registry.filter(({ use, name }) => use !== "error" && !unneeded.has(name));
  expect(closing.length).toBeGreaterThan(10);
  for (const { code, name } of closing) expect(codeName(code)).toBe(name);
});

test("a code without a name of its own gets one from its number", () => {
  expect(codeName(4999)).toBe("code_4999");
  expect(codeName(1006)).toBe("connection_lost");
});

test("the codes it treats in a way of its own have the registry's numbers", () => {
  for (const [name, code] of Object.entries(ClientCode)) {
    const registered: number = Code[name as keyof typeof ClientCode].code;
    expect<number>(code).toBe(registered);
  }
});

test("the advice is that of the registry for every number", () => {
  for (let code = 990; code < 5010; code++) expect(retryAdvice(code)).toBe(registryAdvice(code));
});
