import { fileURLToPath } from "node:url";

import type { LoadJob, LoadResult } from "./load/job.ts";
import { Tail } from "./support/children.ts";
import type { Child, Children } from "./support/children.ts";
import { pinned } from "./support/environment.ts";

const entry = fileURLToPath(new URL("load/generator.entry.ts", import.meta.url));

/** Beyond the load itself a cell takes connecting, settling and this much patience at most, ms. */
const PATIENCE_MS = 60_000;

/**
 * Runs one job in a load generator of its own.
 * @param processor the only one it may use; null for any
 * @param onStart gets the generator as soon as it runs
 * @throws Error with what the generator said, when the job could not be done
 */
export async function generate(
  children: Children,
  job: LoadJob,
  processor: number | null,
  onStart?: (generator: Child) => void,
): Promise<LoadResult> {
  const child = children.spawn(
    pinned([process.execPath, "--no-orphans", entry], processor),
    process.env,
    process.cwd(),
    JSON.stringify(job),
  );
  onStart?.(child);
  const errors = new Tail(child.stderr);
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS + job.warmUpMs + job.measureMs);
  const [output] = await Promise.all([
    new Response(child.stdout).text(),
    child.exited,
    errors.ended,
  ]);
  clearTimeout(timer);
  if (output === "") throw new Error(`the load generator ended without a result\n${errors.text}`);
  const result = JSON.parse(output) as LoadResult | { readonly error: string };
  if ("error" in result) throw new Error(result.error);
  return result;
}
