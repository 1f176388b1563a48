import type { NodeAnswer } from "./questions.ts";

/** Whether what is told is of all nodes. */
export interface Coverage {
  /** Names of nodes that did not answer in time. */
  readonly unreachable: readonly string[];
  /** Nodes that could not say it, and why. */
  readonly failed: readonly { readonly node: string; readonly message: string }[];
  /** Something of some node is missing: one is unreachable or failed, or Redis is, and with it all others. */
  readonly isPartial: boolean;
}

export type OfNode<Value> = Value & { readonly node: string };

/** What of the answers is missing. */
export function coverageOf(answers: readonly NodeAnswer[], isCutOff: boolean): Coverage {
  const unreachable = answers.filter(({ type }) => type === "silent").map(({ node }) => node);
  const failed = answers.flatMap((answer) =>
    answer.type === "refusal" ? [{ node: answer.node, message: answer.refusal.message }] : [],
  );
  return { unreachable, failed, isPartial: isCutOff || unreachable.length + failed.length > 0 };
}
