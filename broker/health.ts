import type { HealthReport } from "./api.ts";
import type { BrokerContext } from "./context.ts";
import { isServing } from "./transforms/is-serving.ts";

export type BrokerState = "new" | "running" | "draining" | "stopped";

/**
 * How this node is, for whoever decides whether it gets clients.
 * @param startedMs of the context's clock
 */
export function healthOf(
  context: BrokerContext,
  state: BrokerState,
  startedMs: number,
): HealthReport {
  const { engine, registry, clock, node, transforms } = context;
  const isRunning = state === "running";
  const states = transforms?.status() ?? [];
  const canServe = engine.isReady() && states.every(isServing);
  return {
    isReady: isRunning && canServe,
    status: statusOf(state, canServe),
    node,
    engine: engine.name,
    uptimeMs: Math.round(clock.nowMs() - startedMs),
    connections: registry.size,
    shards: engine.shards?.() ?? [],
    transforms: states
      .filter((transform) => transform.state !== "running")
      .map(({ id, state: itsState }) => ({ id, state: itsState })),
  };
}

function statusOf(state: BrokerState, canServe: boolean): HealthReport["status"] {
  if (state === "running") return canServe ? "ok" : "degraded";
  return state === "new" ? "starting" : "draining";
}
