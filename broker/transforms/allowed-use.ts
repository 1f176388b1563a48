import { realpathSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";

import { Code } from "../../protocol/codes.ts";
import { BrokerError } from "../api.ts";
import type { TransformBinding } from "../config/transforms.ts";

/** The name of a package, perhaps with a scope and an entry of its exports. */
const PACKAGE =
  /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

/**
 * What a deploy asked for over the server API may load: the file that is bound here, a package, or a file below
 * `folder`, links resolved. An administrator's key must not be a way to run whatever lies on the disk.
 * @returns an absolute path, or the text of the binding or the package as it is
 * @throws BrokerError forbidden or not_found
 */
export function allowedUse(
  use: string,
  folder: string | null,
  binding: Pick<TransformBinding, "use" | "directory"> | undefined,
): string {
  if (use === binding?.use) return usePath(binding);
  const isPath = isFile(use);
  if (!isPath && PACKAGE.test(use)) return use;
  if (folder === null) {
    const message =
      "only what is bound in the configuration, or a package: transformsFolder is not set";
    throw new BrokerError(Code.forbidden, message);
  }
  const root = realPath(folder);
  const file = realPath(resolve(folder, use));
  if (root === null) throw new BrokerError(Code.notFound, "transformsFolder does not exist");
  // Outside and missing are told alike: nobody learns what lies elsewhere.
  if (file === null || !isBelow(root, file)) {
    throw new BrokerError(Code.notFound, "there is no such file below transformsFolder");
  }
  return file;
}

/** What a binding names, so that it does not depend on where it is looked up from: a package stays a name. */
export function usePath({ use, directory }: Pick<TransformBinding, "use" | "directory">): string {
  return isFile(use) ? resolve(directory, use) : use;
}

function isFile(use: string): boolean {
  return use.startsWith(".") || isAbsolute(use);
}

function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    // Missing, or not to be read: neither can be loaded.
    return null;
  }
}

function isBelow(root: string, file: string): boolean {
  const way = relative(root, file);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
