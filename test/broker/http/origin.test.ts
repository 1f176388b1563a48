import { describe, expect, test } from "bun:test";

import { buildConfig } from "../../../broker/config/config.ts";
import type { ConfigInput } from "../../../broker/config/config.ts";
import { createOriginRule, isLocalRequest } from "../../../broker/http/origin.ts";

const OPEN: ConfigInput = { host: "0.0.0.0", allowAnonymous: true };

describe("who may connect by the origin of its page", () => {
  const cases: [string, ConfigInput, string | null, string, boolean][] = [
    ["no browser", {}, null, "localhost:9300", true],
    ["a page of this machine", {}, "http://localhost:3000", "127.0.0.1:9300", true],
    ["the same by address", {}, "http://127.0.0.1:3000", "localhost:9300", true],
    ["the same in IPv6", {}, "http://[::1]:3000", "localhost:9300", true],
    ["a page of another site", {}, "https://evil.example", "localhost:9300", false],
    ["a site that looks local", {}, "https://localhost.evil.example", "localhost:9300", false],
    ["a site called by an address", {}, "https://127.0.0.1.evil.example", "localhost:9300", false],
    ["a page without an origin", {}, "null", "localhost:9300", false],
    ["no origin at all", {}, "nonsense", "localhost:9300", false],
    ["a name that this machine was given", {}, "http://broker.test:9300", "broker.test:9300", true],
    ["the same, another port", {}, "http://broker.test:80", "broker.test:9300", false],
    ["the same on an open address", OPEN, "http://broker.test:9300", "broker.test:9300", false],
    ["a page of this machine, open address", OPEN, "http://localhost:3000", "x:9300", true],
    ["listed", { allowedOrigins: ["https://app.example"] }, "https://app.example", "x", true],
    [
      "listed, with another scheme",
      { allowedOrigins: ["https://app.example"] },
      "http://app.example",
      "x",
      false,
    ],
    [
      "listed, with another port",
      { allowedOrigins: ["https://app.example"] },
      "https://app.example:8443",
      "x",
      false,
    ],
    [
      "below what is listed",
      { allowedOrigins: ["https://app.example"] },
      "https://x.app.example",
      "x",
      false,
    ],
    [
      "ending like what is listed",
      { allowedOrigins: ["https://app.example"] },
      "https://notapp.example",
      "x",
      false,
    ],
    [
      "this machine when others are listed",
      { allowedOrigins: ["https://app.example"] },
      "http://localhost",
      "x",
      false,
    ],
    [
      "no browser when some are listed",
      { allowedOrigins: ["https://app.example"] },
      null,
      "x",
      true,
    ],
    ["any page, when told so", { allowedOrigins: ["*"] }, "https://evil.example", "x", true],
  ];
  test.each(cases)("%s", (_name, input, origin, host, isAllowed) => {
    const request = new Request("http://x/", { headers: { host } });
    expect(createOriginRule(buildConfig(input))(origin, request)).toBe(isAllowed);
  });
});

describe("what counts as a program on this machine", () => {
  const local = { host: "127.0.0.1:9300" };
  const cases: [string, string, Record<string, string>, boolean][] = [
    ["a plain request", "127.0.0.1", local, true],
    ["in IPv6", "::1", { host: "[::1]:9300" }, true],
    ["IPv4 within IPv6", "::ffff:127.0.0.1", { host: "localhost:9300" }, true],
    ["a page of this machine", "127.0.0.1", { ...local, origin: "http://localhost:3000" }, true],
    ["another machine", "10.0.0.5", local, false],
    ["no address", "", local, false],
    ["a host name pointed here", "127.0.0.1", { host: "evil.example:9300" }, false],
    ["no host", "127.0.0.1", { host: "" }, false],
    ["a page of another site", "127.0.0.1", { ...local, origin: "https://evil.example" }, false],
    ["a page without an origin", "127.0.0.1", { ...local, origin: "null" }, false],
    ["an image on another site", "127.0.0.1", { ...local, "sec-fetch-site": "cross-site" }, false],
    ["through a proxy", "127.0.0.1", { ...local, "x-forwarded-for": "10.0.0.5" }, false],
    [
      "through a proxy of the other kind",
      "127.0.0.1",
      { ...local, forwarded: "for=10.0.0.5" },
      false,
    ],
    ["through a proxy that names itself", "127.0.0.1", { ...local, via: "1.1 proxy" }, false],
  ];
  test.each(cases)("%s", (_name, address, headers, isLocal) => {
    expect(isLocalRequest(new Request("http://x/", { headers }), address)).toBe(isLocal);
  });
});
