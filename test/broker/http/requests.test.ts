import { describe, expect, test } from "bun:test";

import { BrokerError } from "../../../broker/api.ts";
import {
  errorBody,
  errorResponse,
  HttpError,
  internalErrorBody,
} from "../../../broker/http/http-error.ts";
import { readJson } from "../../../broker/http/read-json.ts";
import { AccessError } from "../../../broker/ports.ts";
import { Code } from "../../../protocol/codes.ts";
import { badField } from "../../../protocol/errors.ts";
import { HttpBroker } from "../../support/http-broker.ts";
import { rawHttp } from "../../support/raw-http.ts";

interface ErrorAnswer {
  readonly error: { readonly code: number; readonly name: string; readonly message: string };
}

async function errorOf(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as ErrorAnswer;
  return [response.status, error.name];
}

function lengthOf(answer: string): number {
  return Number(/content-length: (\d+)/i.exec(answer)?.[1]);
}

function publish(
  http: HttpBroker,
  init: RequestInit,
  type = "application/json",
): Promise<Response> {
  return http.fetch("/v1/publish", { method: "POST", headers: { "content-type": type }, ...init });
}

/** A body that holds `inner` in that many arrays, and those in an object. */
function nested(levels: number, inner: string): string {
  return `{"channel":"a","json":${"[".repeat(levels)}${inner}${"]".repeat(levels)}}`;
}

/** A body of exactly so many bytes, in pieces, so that it does not say its length. */
function publicationOf(bytes: number): ReadableStream<Uint8Array> {
  const start = '{"channel":"a","payload":"';
  const end = '"}';
  return new ReadableStream({
    start: (controller) => {
      const filling = "x".repeat(bytes - start.length - end.length);
      for (const piece of [start, filling, end])
        controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
}

function busy(retryAfterMs: number): Response {
  const error = new BrokerError(Code.tooManyRequests, "x", { retryAfterMs });
  return errorResponse(errorBody(error) ?? internalErrorBody());
}

describe("paths and methods", () => {
  test.each([
    "/",
    "/v1",
    "/v1/",
    "/v1/publish/",
    "/V1/publish",
    "/health/x",
    "/v2/publish",
    "/__proto__",
    "/constructor",
    "/health%00",
  ])("%s is not found", async (path) => {
    await using http = await HttpBroker.start();
    expect(await errorOf(await http.fetch(path))).toEqual([404, "not_found"]);
  });

  test.each([
    ["/v1/publish", "GET", "POST"],
    ["/v1/publish", "HEAD", "POST"],
    ["/v1/history", "POST", "GET, HEAD"],
    ["/v1/history", "DELETE", "GET, HEAD"],
    ["/health", "OPTIONS", "GET, HEAD"],
    ["/metrics", "PUT", "GET, HEAD"],
  ])("%s does not answer %s, and says what it does", async (path, method, allow) => {
    await using http = await HttpBroker.start();
    const response = await http.fetch(path, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
  });

  test("HEAD has the headers of GET and no body", async () => {
    await using http = await HttpBroker.start();
    for (const path of ["/livez", "/v1/channels", "/openapi.json"]) {
      const request = (method: string): Promise<string> =>
        rawHttp(
          http.broker.port,
          `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
        );
      const [get, head] = [await request("GET"), await request("HEAD")];
      expect(head).toStartWith("HTTP/1.1 200 OK\r\n");
      expect(head).toEndWith("\r\n\r\n");
      expect(lengthOf(head)).toBe(lengthOf(get));
    }
  });

  test("nothing may be kept by a cache or taken for another type", async () => {
    await using http = await HttpBroker.start();
    for (const path of ["/health", "/metrics", "/v1/channels", "/nowhere"]) {
      const { headers } = await http.fetch(path);
      expect([headers.get("cache-control"), headers.get("x-content-type-options")]).toEqual([
        "no-store",
        "nosniff",
      ]);
    }
  });
});

describe("bodies", () => {
  test.each(["", "{", "nonsense", '{"channel":"a","payload":"x"}}', "\u0000", "NaN"])(
    "%j is no JSON",
    async (body) => {
      await using http = await HttpBroker.start();
      expect(await errorOf(await publish(http, { body }))).toEqual([400, "bad_frame"]);
    },
  );

  test("broken UTF-8 is no JSON", async () => {
    await using http = await HttpBroker.start();
    const body = Buffer.concat([
      Buffer.from('{"channel":"a","payload":"'),
      Buffer.from([0xff]),
      Buffer.from('"}'),
    ]);
    expect(await errorOf(await publish(http, { body }))).toEqual([400, "bad_frame"]);
  });

  test("nesting has a limit, in which brackets of texts do not count", async () => {
    await using http = await HttpBroker.start();
    for (const inner of ["1", `"${"[{".repeat(99)}"`, String.raw`"\"[[[\\"`, `{"}":{}}`]) {
      expect((await publish(http, { body: nested(60, inner) })).status).toBe(200);
    }
    for (const levels of [64, 50_000, 400_000]) {
      const answer = await publish(http, { body: nested(levels, "1") });
      expect(await errorOf(answer)).toEqual([400, "bad_frame"]);
    }
    expect((await publish(http, { body: '{"a":'.repeat(100) })).status).toBe(400);
    expect(http.logger.entries).toEqual([]);
  });

  test.each(["application/json", "application/json; charset=utf-8", "Application/JSON ; x=y"])(
    "%s is a content type of JSON",
    async (type) => {
      await using http = await HttpBroker.start();
      const body = '{"channel":"a","payload":"x"}';
      expect((await publish(http, { body }, type)).status).toBe(200);
    },
  );

  test("another content type, or none, is refused", async () => {
    await using http = await HttpBroker.start();
    const body = '{"channel":"a","payload":"x"}';
    for (const type of [
      "text/json",
      "application/jsonx",
      "application/json-seq",
      "x/application/json",
    ]) {
      expect(await errorOf(await publish(http, { body }, type))).toEqual([415, "bad_frame"]);
    }
    const bytes = new Uint8Array(Buffer.from(body));
    expect(await errorOf(await http.fetch("/v1/publish", { method: "POST", body: bytes }))).toEqual(
      [415, "bad_frame"],
    );
  });

  test("one over the limit is refused by its length, before it is read", async () => {
    await using http = await HttpBroker.start({ httpMaxBodyBytes: 2000 });
    // Not a byte of the body is sent.
    const head =
      "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    const answer = await rawHttp(http.broker.port, `${head}Content-Length: 2001\r\n\r\n`);
    expect(answer).toStartWith("HTTP/1.1 413 ");
    expect(answer).toContain('"name":"too_large"');
  });

  test("one over the limit is refused while it is read, when it does not say its length", async () => {
    await using http = await HttpBroker.start({ httpMaxBodyBytes: 2000 });
    expect((await publish(http, { body: publicationOf(2000) })).status).toBe(200);
    expect(await errorOf(await publish(http, { body: publicationOf(2001) }))).toEqual([
      413,
      "too_large",
    ]);
  });

  test("one that never ends is given up", async () => {
    await using http = await HttpBroker.start({ bodyTimeoutMs: 50 });
    const head =
      "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    const answer = await rawHttp(http.broker.port, `${head}Content-Length: 100\r\n\r\n{"chan`);
    expect(answer).toStartWith("HTTP/1.1 408 ");
    expect(http.logger.entries).toEqual([]);
  });

  test("one that breaks off is an error of the request", async () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(new TextEncoder().encode("{"));
        controller.error(new Error("reset by peer"));
      },
    });
    const headers = { "content-type": "application/json" };
    const request = new Request("http://x/", { method: "POST", headers, body });
    const limits = { maxBytes: 1000, timeoutMs: 10_000 };
    const error: unknown = await readJson(request, limits).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(HttpError);
    expect(errorBody(error)).toMatchObject({ status: 400, name: "bad_frame" });
  });
});

describe("errors", () => {
  test("what nobody expected is logged once and says nothing to the client", async () => {
    const secret = new Error("the inside of the broker");
    await using http = await HttpBroker.start({
      metricsText: () => {
        throw secret;
      },
    });
    const response = await http.fetch("/metrics");
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({
      error: { code: 4100, name: "internal", message: Code.internal.text },
    });
    expect(http.logger.entries).toEqual([
      {
        level: "error",
        event: "http_failed",
        fields: { method: "GET", path: "/metrics", error: secret },
      },
    ]);
  });

  test("expected ones keep their code, whoever throws them", () => {
    expect(errorBody(new BrokerError(Code.tooLarge, "a"))).toEqual({
      status: 413,
      code: 4013,
      name: "too_large",
      message: "a",
    });
    expect(errorBody(new AccessError(Code.forbidden))).toMatchObject({
      status: 403,
      name: "forbidden",
    });
    expect(errorBody(badField("b"))).toMatchObject({
      status: 400,
      name: "bad_field",
      message: "b",
    });
    expect(errorBody(new Error("c"))).toBeNull();
    expect(errorBody("d")).toBeNull();
  });

  test("a client learns when to come back, in seconds rounded up", async () => {
    expect(busy(1).headers.get("retry-after")).toBe("1");
    expect(busy(1000).headers.get("retry-after")).toBe("1");
    expect(busy(1001).headers.get("retry-after")).toBe("2");
    expect(await busy(1001).json()).toMatchObject({ error: { retryAfterMs: 1001 } });
    const without = errorResponse(
      errorBody(new BrokerError(Code.overloaded)) ?? internalErrorBody(),
    );
    expect(without.headers.get("retry-after")).toBe("1");
    const never = errorResponse(errorBody(new BrokerError(Code.badField)) ?? internalErrorBody());
    expect(never.headers.get("retry-after")).toBeNull();
  });
});
