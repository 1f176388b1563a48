import { fileURLToPath } from "node:url";

import type { Command } from "./command.ts";

const ENTRY = fileURLToPath(new URL("../bench/main.ts", import.meta.url));

export const bench: Command = {
  help: () => `tickwire bench [options]

Measures the broker against a bare Bun server, in rounds on this machine. The
options are those of the benchmark itself:

${benchHelp()}`,

  async run(argv) {
    // In a process of its own: what it measures must not share one with the command line.
    const child = Bun.spawn([process.execPath, ENTRY, ...argv], {
      stdio: ["inherit", "inherit", "inherit"],
    });
    // It ends its own children and then itself; Ctrl-C in a terminal has reached it already, which does no harm.
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => child.kill(signal));
    }
    return child.exited;
  },
};

function benchHelp(): string {
  const { stdout } = Bun.spawnSync([process.execPath, ENTRY, "--help"]);
  return stdout.toString().trimEnd();
}
