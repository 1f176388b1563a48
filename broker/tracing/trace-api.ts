import type { Clock } from "../ports.ts";
import type { TraceRule, TraceRuleInput } from "./debug-rules.ts";
import type { DeliveryTrace } from "./delivery-trace.ts";
import type { SlowDelivery } from "./slow-list.ts";
import type { Tracer } from "./tracer.ts";

/** What operators ask of a node's tracing. */
export interface TraceApi {
  readonly node: string;
  /** This node's parts of a trace that was made lately, oldest first. */
  find(traceId: string): readonly DeliveryTrace[];
  /** The newest parts of any trace. */
  newest(limit: number): readonly DeliveryTrace[];
  /** The slowest subscribers of the last minutes. */
  slow(limit: number): readonly SlowDelivery[];
  rules(): readonly TraceRule[];
  /** Sets it on every node. @throws BrokerError bad_field, bad_channel or overloaded */
  addRule(input: TraceRuleInput): TraceRule;
  /** False when there is none of this id. */
  removeRule(id: string): boolean;
}

export function createTraceApi({ outlet, slow, rules, bus }: Tracer, clock: Clock): TraceApi {
  return {
    node: outlet.node,
    find: (traceId) => outlet.recent.find(traceId),
    newest: (limit) => outlet.recent.newest(limit),
    slow: (limit) => slow.top(limit, clock.wallMs()),
    rules: () => rules.list(),
    addRule: (input) => {
      const rule = rules.add(input);
      bus.tellRule({ type: "set", rule });
      return rule;
    },
    removeRule: (id) => {
      const isFound = rules.remove(id);
      if (isFound) bus.tellRule({ type: "ended", id });
      return isFound;
    },
  };
}
