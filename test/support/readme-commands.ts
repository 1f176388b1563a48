import { join } from "node:path";
import { fileURLToPath } from "node:url";

import manifest from "../../package.json" with { type: "json" };
import { cleanEnvironment, CLI_ENTRY } from "./process.ts";

/** Command lines of the fenced `sh` blocks of a Markdown text, continued lines joined, comments left out. */
export function commandLines(markdown: string): string[] {
  const blocks = markdown.matchAll(/^```(?:sh|bash|shell)\n([\s\S]*?)^```$/gm);
  return [...blocks].flatMap(([, block = ""]) =>
    block
      .replaceAll(/\\\n\s*/g, "")
      .split("\n")
      .map((line) =>
        line
          .replace(/^\$ /, "")
          .replace(/(^|\s)#(\s.*)?$/, "")
          .trim(),
      )
      .filter((line) => line !== ""),
  );
}

export interface Surroundings {
  /** A running broker. */
  readonly url: string;
  readonly httpUrl: string;
  /** Working directory; the files the text names are made here. */
  readonly folder: string;
}

interface Exercise {
  /** What is done with such a line, for whoever adds one. */
  readonly how: string;
  readonly matches: RegExp;
  run(line: string, surroundings: Surroundings): Promise<void> | void;
}

const TICKWIRE = /^(?:npm run (?:-s |--silent )?tickwire --|npx tickwire|tickwire) /;

/** How each command of the README is exercised: the first row that matches a line counts. */
const EXERCISES: readonly Exercise[] = [
  {
    how: "nothing to try: it is how one gets here",
    matches: /^(git clone \S+( \S+)?|cd \S+)$/,
    run: () => {},
  },
  {
    how: "the script exists; the suite tests what it runs",
    matches:
      /^npm (start|test|run (-s )?(demo|bench|verify|lint|format|format:check|typecheck))( -- .*)?$/,
    run: (line) => {
      const script = /^npm (?:run (?:-s )?)?(\S+)/.exec(line)?.[1] ?? "";
      if (!Object.hasOwn(manifest.scripts, script)) throw new Error(`there is no script ${script}`);
    },
  },
  {
    how: "the script exists, and the variable is one that turns traces on; test/jaeger tests what comes of it",
    matches: /^OTEL_EXPORTER_OTLP_ENDPOINT=http:\/\/127\.0\.0\.1:\d+ npm start$/,
    run: () => {},
  },
  {
    how: "its options are checked, because the port may be taken here",
    matches: new RegExp(`${TICKWIRE.source}serve( |$)`),
    run: (line, surroundings) => runToEnd(asCheck(line), surroundings),
  },
  {
    how: "run until it is subscribed, then ended by Ctrl-C",
    matches: new RegExp(`${TICKWIRE.source}sub `),
    run: runUntilSubscribed,
  },
  {
    how: "run to its end, with a file for --file",
    matches: new RegExp(`${TICKWIRE.source}pub `),
    run: async (line, surroundings) => {
      const file = /--file[ =](\S+)/.exec(line)?.[1];
      if (file !== undefined) {
        await Bun.write(join(surroundings.folder, file), '{"ts":1,"bid":1}\n{"ts":2,"bid":2}\n');
      }
      await runToEnd(line, surroundings);
    },
  },
  {
    how: "run to its end",
    matches: new RegExp(`${TICKWIRE.source}(token|check|version|help|transform)( |$)`),
    run: runToEnd,
  },
  {
    how: "run for a second",
    matches: new RegExp(`${TICKWIRE.source}demo( |$)`),
    run: (line, surroundings) =>
      runToEnd(`${line.replace(/ --seconds[ =]\S+/, "")} --seconds 1`, surroundings),
  },
  {
    how: "asked of the running broker",
    matches: /^curl .*http:\/\/127\.0\.0\.1:9300\//,
    run: (line, surroundings) =>
      runToEnd(
        line.replaceAll("http://127.0.0.1:9300", surroundings.httpUrl).replace("curl", "curl -fsS"),
        surroundings,
      ),
  },
];

/** Exercises one line. @throws Error for a line that no row of the table is for, or that fails */
export async function exercise(line: string, surroundings: Surroundings): Promise<string> {
  const found = EXERCISES.find(({ matches }) => matches.test(line));
  if (found === undefined) {
    throw new Error(`no row of EXERCISES in test/support/readme-commands.ts is for: ${line}`);
  }
  await found.run(line, surroundings);
  return found.how;
}

/** `serve` and `check` take the same options. */
function asCheck(line: string): string {
  return line.replace(/(\s)serve(\s|$)/, "$1check$2");
}

function shell(
  line: string,
  { url, folder }: Surroundings,
): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const command = line.replace(TICKWIRE, '"$BUN" --no-install "$CLI_MAIN" ');
  return Bun.spawn(["sh", "-c", command], {
    cwd: folder,
    env: {
      ...cleanEnvironment({ TICKWIRE_URL: url }),
      BUN: process.execPath,
      CLI_MAIN: CLI_ENTRY,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    // A process group of its own, which can be ended as a whole.
    detached: true,
  });
}

async function runToEnd(line: string, surroundings: Surroundings): Promise<void> {
  const child = shell(line, surroundings);
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (code !== 0) throw new Error(`${line}\nended with ${code}:\n${stdout}${stderr}`);
}

async function runUntilSubscribed(line: string, surroundings: Surroundings): Promise<void> {
  const child = shell(line, surroundings);
  void new Response(child.stdout).bytes();
  let told = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    told += decoder.decode(chunk, { stream: true });
    if (told.includes("subscribed to ")) process.kill(-child.pid, "SIGINT");
  }
  await child.exited;
  if (!told.includes("subscribed to ")) throw new Error(`${line}\nwas not subscribed:\n${told}`);
}

export const README = fileURLToPath(new URL("../../README.md", import.meta.url));
