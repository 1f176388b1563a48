import { cleanEnvironment, CLI_ENTRY } from "../support/process.ts";
import type { BrokerProcess } from "../support/process.ts";

/** Runs a command of a document against this broker, and not the one it names. */
export async function runDocumentLine(
  line: string,
  broker: BrokerProcess,
): Promise<{ readonly code: number; readonly output: string }> {
  const command = line
    .replaceAll("http://127.0.0.1:9300", broker.httpUrl)
    .replace(/^curl /, "curl -f ")
    .replace(/^tickwire /, '"$BUN" --no-install "$CLI_MAIN" ');
  const child = Bun.spawn(["sh", "-c", command], {
    env: {
      ...cleanEnvironment({ TICKWIRE_URL: broker.url }),
      BUN: process.execPath,
      CLI_MAIN: CLI_ENTRY,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, output] = await Promise.all([child.exited, new Response(child.stdout).text()]);
  return { code, output };
}
