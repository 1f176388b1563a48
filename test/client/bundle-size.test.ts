import { expect, test } from "bun:test";

/* What a page pays for the SDK. The bundle holds its codec and needs nothing else. */

/** Of the minified bundle, gzipped, bytes. */
const MAX_GZIP_BYTES = 15_000;

async function bundle(): Promise<string> {
  const entry = new URL("../../client/index.ts", import.meta.url).pathname;
  const result = await Bun.build({ entrypoints: [entry], target: "browser", minify: true });
  expect(result.outputs.length).toBe(1);
  return (await result.outputs[0]?.text()) ?? "";
}

test("the browser bundle is within its budget", async () => {
  const code = await bundle();
  const gzipped = Bun.gzipSync(new TextEncoder().encode(code), { level: 9 }).length;
  process.stderr.write(`client bundle: ${code.length} bytes, ${gzipped} gzipped\n`);
  expect(gzipped).toBeLessThanOrEqual(MAX_GZIP_BYTES);
});

test("the browser bundle asks for no modules and evaluates no code", async () => {
  const code = await bundle();
  // Matches only, not the whole bundle, so that a failure can be read.
  const foreign = /\bimport\s*[("{*]|\brequire\(|"node:|\bBun\b|\bprocess\b/g;
  expect(code.match(foreign)).toBeNull();
  expect(code.match(/new Function|\beval\(/g)).toBeNull();
  for (const name of ["TickwireClient", "TickwireError", "connect", "defineChannel"]) {
    expect(code).toContain(`as ${name}`);
  }
});
