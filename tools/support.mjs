// Small things the set-up step shares.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** A failure of the set-up step. Its message is one sentence or two, and says what to do. */
export class SetUpError extends Error {
  name = "SetUpError";
}

/** Progress and errors go to standard error; standard output belongs to the command. */
export function say(sentence) {
  process.stderr.write(`tickwire: ${sentence}\n`);
}

/** @returns {string | undefined} the text of a file, or undefined when there is none */
export function readIfPresent(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Writes a file so that a reader sees the old text or the new one, never a part. */
export function writeWhole(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}
