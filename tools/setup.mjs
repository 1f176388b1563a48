// The set-up step: the pinned Bun and the packages of bun.lock, installed when they are missing.
//
// When everything is in place it costs a few file reads and one hash, starts no process and takes no
// lock. What it installs lands by rename or is marked complete at the very end, so an interrupted
// run leaves nothing that a later one would trust.
//
//   .tickwire/bun-<version>/bun   the Bun we installed
//   .tickwire/bun-on-path.json    the Bun found on the PATH, with what shows that it is still that file
//   .tickwire/setup.lock          one set-up at a time
//   node_modules/.tickwire-stamp  what the packages were installed from
import { createHash } from "node:crypto";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

import { installBun, installPackages, reportsVersion } from "./install.mjs";
import { withLock } from "./lock.mjs";
import { readIfPresent, say, SetUpError, writeWhole } from "./support.mjs";

/** Longer than a cold installation on a slow line; after that the holder is taken to hang. */
const LOCK_LIMIT_MS = 10 * 60_000;

/**
 * @param {string} root the checkout
 * @returns {Promise<string>} path of the pinned Bun, with the packages installed
 * @throws {SetUpError} with a sentence that says what to do
 */
export async function setUp(root) {
  const places = placesOf(root);
  const ready = findBun(places);
  if (ready !== undefined && packagesAreCurrent(places)) return ready;

  try {
    return await withLock(places.lock, { limitMs: LOCK_LIMIT_MS, onWait: sayWaiting }, async () => {
      const bun = findBun(places) ?? findBunOnPath(places) ?? (await installBun(places));
      if (!packagesAreCurrent(places)) await installPackages(places, bun, fingerprint(places));
      return bun;
    });
  } catch (error) {
    throw asSetUpError(error, places);
  }
}

function sayWaiting() {
  say("waiting for another process that is installing ...");
}

function placesOf(root) {
  const manifest = join(root, "package.json");
  const { packageManager = "" } = JSON.parse(readFileSync(manifest, "utf8"));
  const version = /^bun@(\d+\.\d+\.\d+[^+]*)/.exec(packageManager)?.[1];
  if (version === undefined) {
    throw new SetUpError('package.json must pin Bun, as in "packageManager": "bun@1.2.3".');
  }
  const state = join(root, ".tickwire");
  return {
    root,
    manifest,
    version,
    state,
    lock: join(state, "setup.lock"),
    bunFolder: join(state, `bun-${version}`),
    bunOnPath: join(state, "bun-on-path.json"),
    stamp: join(root, "node_modules", ".tickwire-stamp"),
  };
}

/** The pinned Bun as far as it is known without starting a process. */
function findBun({ version, bunFolder, bunOnPath }) {
  if (process.versions.bun === version) return process.execPath;
  const cached = join(bunFolder, "bun");
  if (identityOf(cached) !== undefined) return cached;
  const known = JSON.parse(readIfPresent(bunOnPath) ?? "{}");
  const isSame = known.version === version && known.identity === identityOf(known.file);
  return isSame ? known.file : undefined;
}

/** Asks each `bun` on the PATH for its version, and remembers the one that is right. */
function findBunOnPath({ version, bunOnPath }) {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const found = join(folder, "bun");
    const identity = identityOf(found);
    if (folder === "" || identity === undefined) continue;
    const file = realpathSync(found);
    if (!reportsVersion(file, version)) continue;
    writeWhole(bunOnPath, JSON.stringify({ version, file, identity }));
    return file;
  }
  return undefined;
}

/** Changes when another program is put in the file's place; undefined when there is no file. */
function identityOf(file) {
  const stat = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
  return stat?.isFile() ? `${stat.ino}:${stat.size}:${stat.mtimeMs}` : undefined;
}

function packagesAreCurrent(places) {
  return readIfPresent(places.stamp) === fingerprint(places);
}

function fingerprint({ root, manifest, version }) {
  return createHash("sha256")
    .update(`${version} ${process.platform} ${process.arch}\n`)
    .update(readFileSync(manifest))
    .update(readIfPresent(join(root, "bun.lock")) ?? "")
    .digest("hex");
}

function asSetUpError(error, { lock, state }) {
  if (error.code === "ELOCKED") {
    return new SetUpError(
      `another process has been installing for too long. If none is running, delete ${lock} and run this again.`,
    );
  }
  if (["EACCES", "EPERM", "EROFS", "ENOSPC"].includes(error.code)) {
    return new SetUpError(`cannot write to ${error.path ?? state} (${error.code}).`);
  }
  return error;
}
