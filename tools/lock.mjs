// A lock between processes of one checkout, for the set-up step only.
//
// The lock is a file that names its holder. A holder that died is recognised by its process id, or,
// where ids mean nothing to us (another container on the same folder, or a name not written yet), by
// a lock that has not been touched for STALE_MS.
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 100;
const TOUCH_MS = 2_000;
const STALE_MS = 30_000;

/**
 * Runs `work` while no other process is inside it.
 * @template T
 * @param {string} path where the lock file goes; its folder is made if need be
 * @param {{ limitMs: number, onWait: () => void }} options how long to wait for another holder, and
 *   what to do once when there is one
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 * @throws {Error} with code "ELOCKED" when the wait was in vain
 */
export async function withLock(path, { limitMs, onWait }, work) {
  const holder = `${hostname()} ${process.pid} ${crypto.randomUUID()}`;
  mkdirSync(dirname(path), { recursive: true });
  const deadlineMs = performance.now() + limitMs;
  let hasWaited = false;
  while (!take(path, holder)) {
    if (removeIfStale(path)) continue;
    if (performance.now() > deadlineMs) {
      throw Object.assign(new Error(`${path} is held by another process`), { code: "ELOCKED" });
    }
    if (!hasWaited) onWait();
    hasWaited = true;
    await delay(POLL_MS);
  }
  const touch = setInterval(
    () => ifPresent(() => utimesSync(path, new Date(), new Date())),
    TOUCH_MS,
  );
  touch.unref();
  try {
    return await work();
  } finally {
    clearInterval(touch);
    if (holderOf(path) === holder) rmSync(path, { force: true });
  }
}

/** @returns {boolean} whether the file was made by this call, and not there already */
function take(path, content) {
  try {
    writeFileSync(path, content, { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Two processes may find the same dead holder. Only the one that makes the claim file, which carries
 * that holder's unique id, may remove its lock; so a lock taken meanwhile is never the one removed.
 */
function removeIfStale(path) {
  const holder = holderOf(path);
  if (holder === undefined) return true;
  const [host, pid, id] = holder.split(" ");
  const idleMs = ifPresent(() => Date.now() - statSync(path).mtimeMs) ?? 0;
  const isDead = host === hostname() && !isAlive(Number(pid));
  if (!isDead && idleMs < STALE_MS) return false;
  const claim = `${path}.${id ?? "unnamed"}`;
  if (!take(claim, "")) return false;
  if (holderOf(path) === holder) rmSync(path, { force: true });
  rmSync(claim, { force: true });
  return true;
}

function holderOf(path) {
  return ifPresent(() => readFileSync(path, "utf8"));
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM"; // It lives, under another user.
  }
}

function ifPresent(read) {
  try {
    return read();
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}
