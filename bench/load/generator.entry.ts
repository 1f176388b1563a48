/**
 * The load generator: a process of its own, so that its work is not the broker's. Reads one job from
 * standard input, writes one result or `{"error": "..."}` to standard output.
 */
import type { LoadJob } from "./job.ts";
import { runLoad } from "./run-load.ts";

async function main(): Promise<void> {
  const job = JSON.parse(await Bun.stdin.text()) as LoadJob;
  try {
    console.log(JSON.stringify(await runLoad(job)));
  } catch (error) {
    console.log(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
    process.exitCode = 1;
  }
}

await main();
// Sockets that are still closing must not keep the next cell waiting.
process.exit();
