import { makeTemporaryFolder } from "./temporary-folder.ts";

const MAX_LOG_CHARS = 65_536;

/**
 * Stands between the test process and the server, and ends the server when the test process ends, in
 * whatever way: then the pipe on its standard input ends. A line on it starts the server, once more after
 * each end. At the end of input the folder goes too.
 *
 * Signals are left to the test process, so that one sent to a whole process group cannot end the shell
 * before the server. Writing to a test process that is gone must not end it either.
 */
const SUPERVISOR = `
trap '' PIPE INT TERM HUP
exec 3<&0
folder=$1
shift
while read -r _ <&3; do
  "$@" </dev/null 2>&1 3<&- &
  server=$!
  { read -r _ <&3; kill -9 $server; } &
  watcher=$!
  echo "@started $server"
  wait $server
  status=$?
  kill -9 $watcher
  wait $watcher
  echo "@ended $status"
done
rm -rf "$folder"
`;

/** The process ended while something was expected of it. */
export class ProcessEndedError extends Error {
  override readonly name = "ProcessEndedError";
  readonly log: string;

  constructor(log: string) {
    super(`the process ended; it said:\n${log}`);
    this.log = log;
  }
}

/**
 * A program with a temporary folder, run as a child of a supervising shell: neither is left behind, even if
 * this process is killed outright. Disposing of it kills the program, stopped or not, and removes the folder.
 */
export class SupervisedProcess implements AsyncDisposable {
  readonly folder: string;
  readonly #supervisor: Bun.Subprocess<"pipe", "pipe", "ignore">;
  readonly #outputEnded: Promise<void>;
  #pid: number | undefined;
  #startCount = 0;
  #hasEnded = false;
  #log = "";
  #runLog = "";
  #waiters: (() => void)[] = [];

  private constructor(folder: string, command: readonly string[]) {
    this.folder = folder;
    this.#supervisor = Bun.spawn(["sh", "-c", SUPERVISOR, "sh", folder, ...command], {
      cwd: folder,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    this.#supervisor.unref();
    this.#outputEnded = this.#readOutput();
  }

  /**
   * Makes the folder and calls `prepare` to fill it, but does not start the program yet.
   * @param prepare returns the command line
   */
  static async make(
    prepare: (folder: string) => Promise<readonly string[]>,
  ): Promise<SupervisedProcess> {
    const folder = await makeTemporaryFolder();
    return new SupervisedProcess(folder, await prepare(folder));
  }

  /** Undefined while the program does not run. */
  get pid(): number | undefined {
    return this.#pid;
  }

  get supervisorPid(): number {
    return this.#supervisor.pid;
  }

  /** The end of all output, over all starts. */
  get log(): string {
    return this.#log;
  }

  /** Starts the program, which must not be running. Resolves when it has a process id. */
  async start(): Promise<void> {
    if (this.#pid !== undefined) throw new Error(`process ${this.#pid} runs already`);
    const count = this.#startCount;
    this.#runLog = "";
    await this.#supervisor.stdin.write("start\n");
    await this.#supervisor.stdin.flush();
    await this.#until(() => this.#startCount > count);
  }

  /**
   * Resolves when the output since the last start satisfies the condition.
   * @throws {ProcessEndedError} when the program ends before
   */
  async untilLog(isEnough: (log: string) => boolean): Promise<void> {
    await this.#until(() => isEnough(this.#runLog) || this.#pid === undefined);
    if (!isEnough(this.#runLog)) throw new ProcessEndedError(this.#runLog);
  }

  /** Sends a signal, if the program runs. */
  signal(signal: NodeJS.Signals): void {
    if (this.#pid !== undefined) process.kill(this.#pid, signal);
  }

  /** Resolves when the program does not run (any more). */
  async untilEnded(): Promise<void> {
    await this.#until(() => this.#pid === undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor.stdin.end();
    await Promise.all([this.#supervisor.exited, this.#outputEnded]);
  }

  async #readOutput(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of this.#supervisor.stdout) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#takeLine(line);
    }
    this.#hasEnded = true;
    this.#pid = undefined;
    this.#wake();
  }

  #takeLine(line: string): void {
    const [, event, number] = /^@(started|ended) (\d+)$/.exec(line) ?? [];
    if (event === "started") {
      this.#pid = Number(number);
      this.#startCount++;
    } else if (event === "ended") {
      this.#pid = undefined;
    }
    this.#log = `${this.#log}${line}\n`.slice(-MAX_LOG_CHARS);
    this.#runLog = `${this.#runLog}${line}\n`.slice(-MAX_LOG_CHARS);
    this.#wake();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#hasEnded) throw new ProcessEndedError(this.#log);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
