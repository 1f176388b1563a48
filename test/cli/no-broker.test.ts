import { afterAll, describe, expect, test } from "bun:test";

import { connectFailureText, noAnswerText } from "../../cli/no-answer.ts";
import { startBroker } from "../support/broker.ts";
import { runCli } from "../support/process.ts";

// What people are told when something else than a broker, or nothing, is where they asked.

const TRACE = "0123456789abcdef0123456789abcdef";
const TOKEN_SECRET = "0123456789abcdef0123456789abcdef";

/** One of each that asks over HTTP in its own way. */
const ASKING = [
  ["slow"],
  ["trace", TRACE],
  ["trace", "rule", "list"],
  ["transform", "status"],
  ["transform", "rollback", "floor"],
  ["transform", "dry-run", "--id", "floor", "-c", "a", "-d", "x"],
];

/** Over HTTP and over a WebSocket. */
const BOTH_WAYS = [{ command: ["slow"] }, { command: ["sub", "a"] }];

const servers = new AsyncDisposableStack();
afterAll(() => servers.disposeAsync());

/** A web server that answers everything alike. */
function webServer(answer: () => Response): string {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  servers.defer(() => server.stop(true));
  return server.url.origin;
}

/** A server that sends these bytes, whatever it is sent, and hangs up. */
function rawServer(bytes: string): string {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.end(bytes) },
  });
  servers.defer(() => server.stop(true));
  return `http://127.0.0.1:${server.port}`;
}

const html = (status: number): Response =>
  new Response("<html>Hello</html>", { status, headers: { "content-type": "text/html" } });

const NO_BROKER = "is no Tickwire broker; --url names another\n";

const NAMED = ASKING.map((command) => ({ name: command.join(" "), command }));

describe.each(NAMED)("tickwire $name", ({ command }) => {
  const ask = async (url: string): Promise<string> => {
    const { code, stdout, stderr } = await runCli([...command, "--url", url]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toStartWith(`tickwire ${command[0]}: `);
    expect(stderr).toContain(url);
    expect(stderr.split("\n")).toHaveLength(2);
    expect(stderr).not.toMatch(/unexpected|ECONN|verbose/);
    return stderr;
  };

  test("says that nothing listens, and what to do", async () => {
    const stderr = await ask("http://127.0.0.1:1");
    expect(stderr).toContain("nothing listens there. `tickwire serve` starts one");
  });

  test("says that a web site is no broker, with whatever status it answers", async () => {
    expect(await ask(webServer(() => html(200)))).toEndWith(`(HTTP status 200) ${NO_BROKER}`);
    expect(await ask(webServer(() => html(404)))).toEndWith(`(HTTP status 404) ${NO_BROKER}`);
    const elsewhere = webServer(() => Response.redirect("http://127.0.0.1:1/", 302));
    expect(await ask(elsewhere)).toEndWith(`(HTTP status 302) ${NO_BROKER}`);
  });

  test("says that a server of something else in JSON is no broker", async () => {
    expect(await ask(webServer(() => Response.json({ hello: 1 })))).toEndWith(NO_BROKER);
    expect(await ask(webServer(() => Response.json([])))).toEndWith(NO_BROKER);
    const refusing = webServer(() => Response.json({ error: "no" }, { status: 403 }));
    expect(await ask(refusing)).toEndWith(`(HTTP status 403) ${NO_BROKER}`);
  });
});

test("a proxy without its broker is told from something else", async () => {
  const url = webServer(() => html(502));
  const { stderr } = await runCli(["slow", "--url", url]);
  expect(stderr).toContain("answers with HTTP status 502: what is there does not reach its broker");
});

test("an answer that ends too early is no unexpected failure", async () => {
  const url = rawServer("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
  const { code, stderr } = await runCli(["slow", "--url", url]);
  expect(code).toBe(1);
  expect(stderr).toContain("it ended the connection without an answer, as servers do that want");
});

test.each(BOTH_WAYS)("$command names the token it lacks", async ({ command }) => {
  await using locked = await startBroker({ tokenSecret: TOKEN_SECRET });
  const without = await runCli([...command, "--url", locked.url]);
  expect(without.code).toBe(1);
  expect(without.stderr).toEndWith("(unauthorized); --token or TICKWIRE_TOKEN gives one\n");
  const wrong = await runCli([...command, "--url", locked.url, "--token", "nonsense"]);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toEndWith("the token is not valid (unauthorized)\n");
});

test.each(BOTH_WAYS)("$command says that TLS is not spoken there", async ({ command }) => {
  const url = webServer(() => html(200)).replace("http:", "https:");
  const { code, stderr } = await runCli([...command, "--url", url]);
  expect(code).toBe(1);
  expect(stderr).toContain(`${url}: it speaks no TLS; http or ws instead`);
});

test("silence has its time, and words", async () => {
  const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  servers.defer(() => silent.stop(true));
  const url = `http://127.0.0.1:${silent.port}`;
  const error: unknown = await fetch(url, { signal: AbortSignal.timeout(1) }).catch(
    (reason: unknown) => reason,
  );
  expect(noAnswerText(error, url, 20_000)).toBe("it gave no answer for 20 s");
});

test("certificates have words of their own; unknown codes none", () => {
  const url = "https://b.test";
  expect(connectFailureText("CERT_HAS_EXPIRED", url)).toContain("expired");
  expect(connectFailureText("DEPTH_ZERO_SELF_SIGNED_CERT", url)).toContain("NODE_EXTRA_CA_CERTS");
  expect(connectFailureText("ECONNRESET", url)).toBe("it ended the connection without an answer");
  expect(connectFailureText("ELSE", url)).toBeNull();
});

test.each(BOTH_WAYS)("$command.0 keeps a password in the URL to itself", async ({ command }) => {
  const placeholder = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => html(200) });
  const { port } = placeholder;
  await placeholder.stop(true);
  const url = `http://desk:s3cret@127.0.0.1:${port}`;
  const { code, stderr } = await runCli([...command, "--url", url]);
  expect(code).toBe(1);
  expect(stderr).toContain(`//***@127.0.0.1:${port}`);
  expect(stderr).not.toContain("s3cret");
});
