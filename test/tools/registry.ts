// A package registry on the loopback interface, so that real installers can run without a network.
// It holds Bun, whose program is a shell script that hands over to the Bun that runs this test, and a
// small library.
import { createHash } from "node:crypto";

const PROGRAM_PACKAGE = "@oven/bun-any";
/** Name of the library. It is at version 1.0.0 and exports `said`, which is "one". */
export const LIBRARY = "small-library";

interface Published {
  readonly manifest: Record<string, unknown>;
  readonly tarball: Uint8Array<ArrayBuffer>;
}

export class Registry {
  /** Environment that points npm and Bun at this registry, with an empty cache. */
  readonly env: Record<string, string>;
  readonly #packages: Map<string, Published>;
  readonly #server: Bun.Server<undefined>;
  readonly #firstFetch = Promise.withResolvers<void>();
  #fetchCount = 0;
  #isHeld = false;

  private constructor(packages: Map<string, Published>) {
    this.#packages = packages;
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      fetch: (request) => this.#answer(request),
    });
    this.env = { npm_config_registry: this.#server.url.href };
  }

  static async start(version = Bun.version): Promise<Registry> {
    const packages = new Map([
      await publish("bun", version, { optionalDependencies: { [PROGRAM_PACKAGE]: version } }),
      await publish(PROGRAM_PACKAGE, version, {}, { "bin/bun": relay(version) }),
      await publish(
        LIBRARY,
        "1.0.0",
        { type: "module" },
        { "index.js": `export const said = "one";` },
      ),
    ]);
    return new Registry(packages);
  }

  /** How many times the program itself was downloaded. */
  get fetchCount(): number {
    return this.#fetchCount;
  }

  /** From now on downloads of the program begin and never end. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Waits until somebody begins to download the program. */
  async whenFetched(): Promise<void> {
    await this.#firstFetch.promise;
  }

  async #answer(request: Request): Promise<Response> {
    const path = decodeURIComponent(new URL(request.url).pathname).slice(1);
    const isTarball = path.endsWith(".tgz");
    const name = isTarball ? path.slice(0, path.indexOf("/-/")) : path;
    const found = this.#packages.get(name);
    if (found === undefined) return new Response("not found", { status: 404 });
    if (!isTarball) return Response.json(this.#describe(name, found));
    if (name === PROGRAM_PACKAGE) {
      this.#fetchCount += 1;
      this.#firstFetch.resolve();
      if (this.#isHeld) await new Promise(() => {});
    }
    return new Response(found.tarball);
  }

  #describe(name: string, { manifest, tarball }: Published) {
    const version = String(manifest["version"]);
    const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
    const url = new URL(`${name}/-/${version}.tgz`, this.#server.url).href;
    const dist = { tarball: url, integrity };
    return {
      name,
      "dist-tags": { latest: version },
      versions: { [version]: { ...manifest, dist } },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}

async function publish(
  name: string,
  version: string,
  extra: Record<string, unknown>,
  files: Record<string, string> = {},
): Promise<[name: string, published: Published]> {
  const manifest = { name, version, ...extra };
  const all = Object.entries({ "package.json": JSON.stringify(manifest), ...files });
  const inFolder = Object.fromEntries(all.map(([path, text]) => [`package/${path}`, text]));
  const tarball = await new Bun.Archive(inFolder, { compress: "gzip" }).bytes();
  return [name, { manifest, tarball }];
}

/** A program that says it is that version of Bun, and otherwise is the Bun that runs this test. */
function relay(version: string): string {
  const answer = `[ "$*" = --version ] && echo ${version} && exit`;
  return `#!/bin/sh\n${answer}\nexec "${process.execPath}" "$@"\n`;
}
