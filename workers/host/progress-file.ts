import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PROGRESS_BYTES } from "../boundary/worker-link.ts";

/** Memory that two processes share through a file: how far a worker has come, while it is too busy to answer. */
export interface ProgressFile {
  readonly path: string;
  readonly words: Int32Array;
  /** Takes the file's name away; the memory stays for those who have it. */
  remove(): void;
}

/** Null where files cannot be mapped: then a batch that hangs is halved until the message is found. */
export function createProgressFile(): ProgressFile | null {
  let folder: string | null = null;
  try {
    folder = mkdtempSync(join(tmpdir(), "tickwire-progress-"));
    const path = join(folder, "words");
    writeFileSync(path, new Uint8Array(PROGRESS_BYTES), { mode: 0o600 });
    return { path, words: mapProgress(path), remove: () => removeFolder(folder) };
  } catch {
    removeFolder(folder);
    return null;
  }
}

/** @throws Error where files cannot be mapped */
export function mapProgress(path: string): Int32Array {
  const bytes = Bun.mmap(path, { shared: true });
  return new Int32Array(bytes.buffer, bytes.byteOffset, PROGRESS_BYTES / 4);
}

function removeFolder(folder: string | null): void {
  if (folder !== null) rmSync(folder, { recursive: true, force: true });
}
