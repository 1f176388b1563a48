// A checkout in a temporary folder: the real tools/, a package.json of its own and small scripts.
// The launcher under test runs from there, with an environment that holds nothing but what is named,
// so that neither this machine's Bun nor its home folder is found by chance.
import { realpathSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..");

/** The machine's Node, if it has one; `bun run` puts a link to Bun in its place where it has none. */
export const NODE = programOf("node");
export const NPM = programOf("npm");

/** What the launcher can be run with. A runtime that is not installed shows as skipped. */
export const RUNTIMES = [
  { name: NODE === undefined ? "node, which is not installed here" : "node", program: NODE },
  { name: "bun", program: process.execPath },
] as const;

function programOf(name: string): string | undefined {
  const found = Bun.which(name);
  const isBun = found !== null && realpathSync(found) === realpathSync(process.execPath);
  return found === null || isBun ? undefined : found;
}

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface Manifest {
  readonly scripts?: Record<string, string>;
  readonly dependencies?: Record<string, string>;
  readonly bunVersion?: string;
}

export class Checkout {
  readonly root: string;
  /** Exactly what the launcher's environment is, apart from what a call adds. */
  readonly env: Record<string, string>;

  private constructor(root: string) {
    this.root = root;
    this.env = { PATH: join(root, "path"), HOME: join(root, "home") };
  }

  /** Makes one where nothing is installed, and the PATH holds only `sh` and what `onPath` names. */
  static async make(files: Record<string, string> = {}, manifest: Manifest = {}) {
    const root = await realpath(await mkdtemp(join(tmpdir(), "tickwire-checkout-")));
    const checkout = new Checkout(root);
    await cp(join(ROOT, "tools"), checkout.at("tools"), {
      recursive: true,
      filter: isLauncherPart,
    });
    await cp(join(ROOT, "bunfig.toml"), checkout.at("bunfig.toml"));
    await checkout.writeManifest(manifest);
    for (const [path, text] of Object.entries(files)) await checkout.write(path, text);
    await mkdir(checkout.at("home"), { recursive: true });
    await checkout.onPath("sh", "/bin/sh");
    return checkout;
  }

  /** Makes one whose Bun is there already: the one that runs this test. */
  static async makeReady(files: Record<string, string> = {}, manifest: Manifest = {}) {
    const checkout = await Checkout.make(files, manifest);
    await checkout.link(process.execPath, `.tickwire/bun-${Bun.version}/bun`);
    const done = await checkout.launch(process.execPath, ["--bun", "--version"]);
    if (done.exitCode !== 0) throw new Error(done.stderr);
    return checkout;
  }

  at(...path: string[]): string {
    return join(this.root, ...path);
  }

  async write(path: string, text: string): Promise<void> {
    await Bun.write(this.at(path), text);
    if (text.startsWith("#!")) await chmod(this.at(path), 0o755);
  }

  async writeManifest({ scripts, dependencies, bunVersion = Bun.version }: Manifest) {
    const packageManager = `bun@${bunVersion}`;
    const manifest = { name: "checkout", type: "module", packageManager, scripts, dependencies };
    await this.write("package.json", JSON.stringify(manifest));
  }

  async link(target: string, path: string): Promise<void> {
    await mkdir(dirname(this.at(path)), { recursive: true });
    await symlink(target, this.at(path));
  }

  /** Puts a program on the launcher's PATH. */
  async onPath(name: string, program: string): Promise<void> {
    await this.link(program, `path/${name}`);
  }

  /** Puts the machine's Node and npm on the launcher's PATH, but not a Bun that may lie beside them. */
  async useNpm(): Promise<void> {
    if (NODE !== undefined) await this.onPath("node", NODE);
    if (NPM !== undefined) await this.onPath("npm", NPM);
  }

  /** Starts the launcher with this runtime. */
  start(runtime: string, args: readonly string[], options: StartOptions = {}) {
    return this.spawn([runtime, this.at("tools/run.mjs"), ...args], options);
  }

  /** Starts any command in the environment of this checkout. */
  spawn(command: readonly string[], { cwd = this.root, env = {}, detached = false }: StartOptions) {
    return Bun.spawn([...command], {
      cwd,
      env: { ...this.env, ...env },
      detached,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  async launch(runtime: string, args: readonly string[], options: StartOptions = {}) {
    return outcomeOf(this.start(runtime, args, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly detached?: boolean;
}

export type Started = Bun.Subprocess<"pipe", "pipe", "pipe">;

/** Waits for the end of a process and of everything that shares its output. */
export async function outcomeOf(started: Started): Promise<Outcome> {
  await started.stdin.end();
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(started.stdout).text(),
    new Response(started.stderr).text(),
    started.exited,
  ]);
  return { stdout, stderr, exitCode };
}

/** The launcher and the set-up step are plain modules; the TypeScript beside them is not part of it. */
function isLauncherPart(path: string): boolean {
  return path.endsWith("tools") || path.endsWith(".mjs");
}
