import { Code } from "../../protocol/codes.ts";
import type { BrokerApi } from "../api.ts";
import { BrokerError } from "../api.ts";
import type { TransformBinding } from "../config/transforms.ts";
import type { Logger, TransformChange } from "../ports.ts";
import { readRuleChange } from "../tracing/trace-request.ts";
import type { Tracer } from "../tracing/tracer.ts";
import { allowedUse } from "../transforms/allowed-use.ts";
import { asRecord, mostThatFit } from "./questions.ts";
import type { Answerer } from "./questions.ts";

/** Names of the questions that nodes ask one another. */
export const QuestionName = {
  transforms: "transforms",
  changeTransform: "change-transform",
  slow: "slow",
  trace: "trace",
  traces: "traces",
  traceRules: "trace-rules",
} as const;

/** Lists are cut to this, as JSON, so that an answer has room for them. */
const MAX_LIST_BYTES = 200 * 1024;

export interface NodeQuestionParts {
  readonly api: BrokerApi;
  readonly tracer: Tracer;
  readonly transforms: readonly TransformBinding[];
  readonly transformsFolder: string | null;
  readonly logger: Logger;
}

/** Sets what this node answers, when others ask and when its own operators do. */
export function answerQuestions(answerer: Answerer, parts: NodeQuestionParts): void {
  const { api, tracer } = parts;
  answerer.on(QuestionName.transforms, () => api.transforms());
  answerer.on(QuestionName.changeTransform, async ({ change }) => {
    const read = readChange(change);
    const isBound = api.transforms().some(({ id }) => id === read.id);
    // Nodes need not have the same transforms: who has not got it is no failure.
    return { status: isBound ? await api.changeTransform(allowedChange(read, parts)) : null };
  });
  answerer.on(QuestionName.slow, ({ limit }) =>
    mostThatFit(api.traces.slow(countOf(limit)), MAX_LIST_BYTES),
  );
  answerer.on(QuestionName.trace, ({ id }) =>
    mostThatFit(api.traces.find(String(id)), MAX_LIST_BYTES),
  );
  answerer.on(QuestionName.traces, ({ limit }) =>
    mostThatFit(api.traces.newest(countOf(limit)), MAX_LIST_BYTES),
  );
  answerer.on(QuestionName.traceRules, ({ change }) => {
    const read = change === null ? null : readRuleChange(change);
    const isKnown = read !== null && api.traces.rules().some(({ id }) => id === ruleIdOf(read));
    if (read !== null) tracer.bus.ruleChanged(read);
    return { isKnown, rules: api.traces.rules() };
  });
}

function ruleIdOf(change: NonNullable<ReturnType<typeof readRuleChange>>): string {
  return change.type === "set" ? change.rule.id : change.id;
}

/** What may be loaded is for each node to say: folders and bindings are its own. */
function allowedChange(change: TransformChange, parts: NodeQuestionParts): TransformChange {
  if (change.action !== "deploy" || change.use === null) return change;
  const { id, action, use } = change;
  const binding = parts.transforms.find((one) => one.id === id);
  try {
    return { ...change, use: allowedUse(use, parts.transformsFolder, binding) };
  } catch (error) {
    // As the runner logs what it refuses itself; somebody tried to load something.
    const fields = { transform: id, action, use, message: (error as Error).message };
    parts.logger.log("warn", "transform_change_refused", fields);
    throw error;
  }
}

/** Reads a change that another node may have sent; its routes have checked what is in it. */
function readChange(value: unknown): TransformChange {
  const { action, id, use = null, config, mode } = asRecord(value);
  if (typeof id === "string") {
    if (action === "promote" || action === "rollback") return { action, id };
    const isUse = use === null || typeof use === "string";
    const { type } = asRecord(mode);
    if (action === "deploy" && isUse && typeof type === "string") {
      const known = mode as Extract<TransformChange, { readonly action: "deploy" }>["mode"];
      return { action, id, use, config, mode: known };
    }
  }
  throw new BrokerError(Code.badField, "this node does not know such a change");
}

function countOf(value: unknown): number {
  return typeof value === "number" && value > 0 ? Math.floor(value) : 0;
}
