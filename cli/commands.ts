import type { Command } from "./command.ts";

interface CommandEntry {
  /** One line of `tickwire help`. */
  readonly summary: string;
  /** Loads the code of this command only, so that a short command starts fast. */
  readonly load: () => Promise<Command>;
}

/** Every command, in the order help lists them. */
export const COMMANDS = {
  serve: {
    summary: "start a broker",
    load: async () => (await import("./serve.ts")).serve,
  },
  pub: {
    summary: "publish an argument, standard input or a file, line by line",
    load: async () => (await import("./pub.ts")).pub,
  },
  sub: {
    summary: "print what is published on channels and patterns",
    load: async () => (await import("./sub.ts")).sub,
  },
  token: {
    summary: "make an access token",
    load: async () => (await import("./token.ts")).token,
  },
  check: {
    summary: "check a configuration and print what it comes to",
    load: async () => (await import("./check.ts")).check,
  },
  transform: {
    summary: "write, test, measure and deploy transforms",
    load: async () => (await import("./transform.ts")).transform,
  },
  slow: {
    summary: "list the subscribers that get publications too late",
    load: async () => (await import("./slow.ts")).slow,
  },
  trace: {
    summary: "show where the time of a publication went",
    load: async () => (await import("./trace.ts")).trace,
  },
  demo: {
    summary: "watch a broker at work: a market feed and several subscribers",
    load: async () => (await import("./demo.ts")).demo,
  },
  bench: {
    summary: "measure the broker against a bare Bun server",
    load: async () => (await import("./bench.ts")).bench,
  },
  version: {
    summary: "print the version",
    load: async () => (await import("./version.ts")).version,
  },
  help: {
    summary: "explain a command",
    load: async () => (await import("./help.ts")).help,
  },
} as const satisfies Record<string, CommandEntry>;

export type CommandName = keyof typeof COMMANDS;

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}
