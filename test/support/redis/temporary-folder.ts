import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { processState } from "./process-state.ts";

const PREFIX = "tickwire-redis-";
/** Of another container with the same temporary folder we see no processes, but its tests end in this time. */
const STALE_MS = 3_600_000;

/**
 * Makes a folder for a server of this process. Whoever ends this process may end what would remove the folder
 * as well, so this also removes the folders of test processes that are long gone.
 */
export async function makeTemporaryFolder(root = tmpdir(), nowMs = Date.now()): Promise<string> {
  const names = await readdir(root);
  await Promise.all(
    names
      .filter((name) => isOwnerGone(name))
      .map((name) => removeIfStale(join(root, name), nowMs - STALE_MS)),
  );
  return mkdtemp(join(root, `${PREFIX}${process.pid}-`));
}

function isOwnerGone(name: string): boolean {
  const [, pid] = /^tickwire-redis-(\d+)-/.exec(name) ?? [];
  return pid !== undefined && processState(Number(pid)) === "gone";
}

async function removeIfStale(folder: string, beforeMs: number): Promise<void> {
  try {
    const { mtimeMs } = await stat(folder);
    if (mtimeMs < beforeMs) await rm(folder, { recursive: true, force: true });
  } catch (error) {
    // Another process was faster, or it is another user's.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EACCES" && code !== "EPERM") throw error;
  }
}
