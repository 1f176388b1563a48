import { plugin } from "bun";

import * as sdk from "../sdk/index.ts";

/** Once in a thread is enough; registering again would do no harm. */
let isProvided = false;

/**
 * Has `tickwire/transform` mean this broker's, wherever the module that imports it lies: a transform needs no
 * node_modules folder, and never gets the one of another version.
 */
export function provideSdk(): void {
  if (isProvided) return;
  isProvided = true;
  plugin({
    name: "tickwire/transform",
    setup: (build) => {
      build.module("tickwire/transform", () => ({ exports: { ...sdk }, loader: "object" }));
    },
  });
}
