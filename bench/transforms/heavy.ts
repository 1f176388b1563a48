import { defineTransform } from "../../workers/sdk/index.ts";
import { burn } from "./burn.ts";

/** Takes as long for each message as the message says, in ms. */
export const transform = defineTransform({
  name: "heavy",
  version: "1.0.0",
  process(batch) {
    for (const message of batch) {
      const { ms } = message.json() as { readonly ms: number };
      if (burn(ms) === 0) message.drop("as good as never");
    }
  },
});
