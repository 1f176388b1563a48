import type { TransformChange, TransformStatus } from "../ports.ts";
import type { TraceRule, TraceRuleChange } from "../tracing/debug-rules.ts";
import type { DeliveryTrace } from "../tracing/delivery-trace.ts";
import type { SlowDelivery } from "../tracing/slow-list.ts";
import { changeEverywhere } from "../transforms/change-everywhere.ts";
import type { ChangedEverywhere } from "../transforms/change-everywhere.ts";
import { coverageOf } from "./coverage.ts";
import type { Coverage, OfNode } from "./coverage.ts";
import type { Directory } from "./directory.ts";
import { QuestionName } from "./node-questions.ts";
import { asRecord } from "./questions.ts";

/** Other nodes have this long to tell what they have, ms. */
const TELL_MS = 1000;

/** What operators ask of all nodes together. Each is answered by this node alone where there are no others. */
export interface ClusterApi {
  transforms(): Promise<Coverage & { readonly transforms: readonly OfNode<TransformStatus>[] }>;
  /**
   * Changes a transform on all nodes that have it. A deploy or promotion that fails on one is rolled back on the
   * others, and only one is under way at a time; a rollback does what it can, and at once.
   * @param node only there; null: everywhere
   * @throws TransformChangeError when it cannot be taken into use; names the nodes where that was so
   */
  changeTransform(change: TransformChange, node: string | null): Promise<ChangedEverywhere>;
  /** The slowest subscribers of all nodes, the slowest first. */
  slow(limit: number): Promise<Coverage & { readonly slow: readonly OfNode<SlowDelivery>[] }>;
  /** All nodes' parts of a trace, in the order of their times. */
  trace(id: string): Promise<Coverage & { readonly parts: readonly DeliveryTrace[] }>;
  /** The newest parts of any trace, newest first. */
  newestParts(limit: number): Promise<Coverage & { readonly parts: readonly DeliveryTrace[] }>;
  /**
   * Has all nodes take over a change, if one is given, and tells what is traced on them.
   * `isKnown`: some node already had the rule.
   */
  traceRules(change: TraceRuleChange | null): Promise<
    Coverage & {
      readonly isKnown: boolean;
      readonly rules: readonly (TraceRule & { readonly nodes: readonly string[] })[];
    }
  >;
}

export function createClusterApi(directory: Directory): ClusterApi {
  const gather = (name: string, given: object = {}): Promise<Gathered> =>
    gatherFrom(directory, name, given);
  return {
    async transforms() {
      const { told, coverage } = await gather(QuestionName.transforms);
      return { transforms: told.flatMap(withNode<TransformStatus>), ...coverage };
    },
    changeTransform(change, node) {
      const work = (): Promise<ChangedEverywhere> => changeEverywhere(directory, change, node);
      // Whoever goes back to what served waits for nobody.
      if (change.action === "rollback") return work();
      return directory.inTurn(`transform ${change.id}`, work);
    },
    async slow(limit) {
      const { told, coverage } = await gather(QuestionName.slow, { limit });
      const all = told.flatMap(withNode<SlowDelivery>);
      const slow = all.toSorted((a, b) => b.worstMs - a.worstMs).slice(0, limit);
      return { slow, ...coverage };
    },
    async trace(id) {
      const { told, coverage } = await gather(QuestionName.trace, { id });
      const parts = told.flatMap(({ value }) => listOf<DeliveryTrace>(value));
      return { parts: parts.toSorted((a, b) => beganMs(a) - beganMs(b)), ...coverage };
    },
    async newestParts(limit) {
      const { told, coverage } = await gather(QuestionName.traces, { limit });
      const parts = told.flatMap(({ value }) => listOf<DeliveryTrace>(value));
      const newest = parts.toSorted((a, b) => beganMs(b) - beganMs(a)).slice(0, limit);
      return { parts: newest, ...coverage };
    },
    async traceRules(change) {
      const { told, coverage } = await gather(QuestionName.traceRules, { change });
      const rules = new Map<string, TraceRule & { nodes: string[] }>();
      for (const { node, value } of told) {
        for (const rule of listOf<TraceRule>(asRecord(value)["rules"])) {
          const known = rules.get(rule.id);
          if (known === undefined) rules.set(rule.id, { ...rule, nodes: [node] });
          else known.nodes.push(node);
        }
      }
      const isKnown = told.some(({ value }) => asRecord(value)["isKnown"] === true);
      return { isKnown, rules: [...rules.values()], ...coverage };
    },
  };
}

interface Told {
  readonly node: string;
  readonly value: unknown;
}

interface Gathered {
  readonly told: readonly Told[];
  readonly coverage: Coverage;
}

async function gatherFrom(directory: Directory, name: string, given: object): Promise<Gathered> {
  const question = { name, arguments: given, to: "all", timeoutMs: TELL_MS } as const;
  const { answers, isCutOff } = await directory.ask(question);
  const told = answers.flatMap((answer) =>
    answer.type === "answer" ? [{ node: answer.node, value: answer.value }] : [],
  );
  return { told, coverage: coverageOf(answers, isCutOff) };
}

/** Of a list that a node told, what has a form that can be looked at. */
function listOf<Item extends object>(value: unknown): Item[] {
  if (!Array.isArray(value)) return [];
  return value.filter((one) => typeof one === "object" && one !== null) as Item[];
}

function withNode<Item extends object>({ node, value }: Told): OfNode<Item>[] {
  return listOf<Item>(value).map((item) => ({ ...item, node }));
}

/** When a node first had to do with a publication, ms since 1970. */
function beganMs({ ingest, busReceive, fanOut, deliveries }: DeliveryTrace): number {
  return (
    ingest?.receivedMs ??
    busReceive?.receivedMs ??
    fanOut?.startedMs ??
    deliveries[0]?.handedOverMs ??
    Infinity
  );
}
