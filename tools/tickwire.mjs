#!/usr/bin/env node
// The `tickwire` binary: cli/main.ts under the pinned Bun, in the caller's working directory.
import { launch } from "./run.mjs";

await launch(["cli/main.ts", ...process.argv.slice(2)]);
