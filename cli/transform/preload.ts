import { plugin } from "bun";

import { provideSdk } from "../../workers/runtime/sdk-module.ts";
import * as testing from "../../workers/testing/index.ts";

/**
 * Runs before the tests of an author: `tickwire/transform` and `tickwire/transform/testing` are this
 * installation's, whether or not the folder has a node_modules.
 */
provideSdk();
plugin({
  name: "tickwire/transform/testing",
  setup: (build) => {
    build.module("tickwire/transform/testing", () => ({
      exports: { ...testing },
      loader: "object",
    }));
  },
});
