import type { BrokerContext } from "../context.ts";
import type { TransformHost } from "../ports.ts";

/** Gives transforms the history of a channel; nothing for one that keeps none. */
export function historyFor({
  hub,
  engine,
}: Pick<BrokerContext, "hub" | "engine">): TransformHost["history"] {
  return async (name, limit) => {
    const { stream } = hub.open(name);
    if (stream.options.historySize === 0) return [];
    const { publications } = await engine.history(stream, { limit, since: null });
    return publications.map(({ payload }) => payload);
  };
}
