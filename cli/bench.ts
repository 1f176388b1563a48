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
    // Ctrl-C in a terminal reaches the child as well; it ends its own children and then itself.
    process.on("SIGINT", () => {});
    process.on("SIGTERM", () => child.kill("SIGTERM"));
    const code = await child.exited;
    return code;
  },
};

function benchHelp(): string {
  const { stdout } = Bun.spawnSync([process.execPath, ENTRY, "--help"]);
  return stdout.toString().trimEnd();
}
