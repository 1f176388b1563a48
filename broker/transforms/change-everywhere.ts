import { Code } from "../../protocol/codes.ts";
import { BrokerError, TransformChangeError } from "../api.ts";
import type { NodeChange } from "../api.ts";
import { coverageOf } from "../cluster-api.ts";
import type { Coverage, OfNode } from "../cluster-api.ts";
import type { Directory } from "../directory.ts";
import { QuestionName } from "../node-questions.ts";
import type { TransformChange, TransformStatus } from "../ports.ts";
import { asError } from "../questions.ts";
import type { NodeAnswer, Question, RefusalText } from "../questions.ts";

/** Other nodes load, set up and test a version in this time, ms. */
const CHANGE_MS = 30_000;

/** The status on one of the nodes, this one if it has the transform, and those of all. */
export type ChangedEverywhere = OfNode<TransformStatus> &
  Coverage & { readonly nodes: readonly OfNode<TransformStatus>[] };

type Refused = NodeAnswer & { readonly refusal: RefusalText };

/**
 * Changes a transform on all nodes that have it bound, or on one. What this node cannot take into use the others are
 * not asked to. A rollback is done wherever it can be, because it is what helps in need.
 * @throws BrokerError
 */
export async function changeEverywhere(
  directory: Directory,
  change: TransformChange,
  node: string | null,
): Promise<ChangedEverywhere> {
  const ask = (to: Question["to"], what: TransformChange): ReturnType<Directory["ask"]> =>
    directory.ask({
      name: QuestionName.changeTransform,
      arguments: { change: what },
      to,
      timeoutMs: CHANGE_MS,
    });
  const own = node === null ? await ask("own", change) : { answers: [], isCutOff: false };
  const isLast = change.action !== "rollback" && own.answers.some(isFailure);
  const rest = isLast ? { answers: [], isCutOff: false } : await ask(node === null ? "others" : [node], change);
  const answers = [...own.answers, ...rest.answers];
  const changed = answers.filter(({ type }) => type === "answer");
  const failures = answers.filter(isFailure);
  const isDone = change.action === "rollback" ? changed.length > 0 : failures.length === 0;
  if (!isDone) {
    const undone = changed.length === 0 ? [] : (await ask(changed.map(({ run }) => run), { action: "rollback", id: change.id })).answers;
    throw failureOf(directory, change, failures, undone);
  }
  return summaryOf(answers, rest.isCutOff, node);
}

/** A node that refuses for another reason than that it does not have the transform. */
function isFailure(answer: NodeAnswer): answer is Extract<NodeAnswer, { type: "refusal" }> {
  return answer.type === "refusal" && answer.refusal.code !== Code.notFound.code;
}
