import { Code } from "../../protocol/codes.ts";
import { BrokerError, TransformChangeError } from "../api.ts";
import type { NodeChange } from "../api.ts";
import { coverageOf } from "../cluster/coverage.ts";
import type { Coverage, OfNode } from "../cluster/coverage.ts";
import type { Directory } from "../cluster/directory.ts";
import { QuestionName } from "../cluster/node-questions.ts";
import { asError, asRecord } from "../cluster/questions.ts";
import type { NodeAnswer, NodeAnswers, Question } from "../cluster/questions.ts";
import type { TransformChange, TransformStatus } from "../ports.ts";

/** Other nodes load, set up and test a version in this time, ms. */
const CHANGE_MS = 30_000;

/** The status on one of the nodes, this one if it has the transform, and those of all. */
export type ChangedEverywhere = OfNode<TransformStatus> &
  Coverage & { readonly nodes: readonly OfNode<TransformStatus>[] };

type Refused = Extract<NodeAnswer, { readonly type: "refusal" }>;

const NOBODY: NodeAnswers = { answers: [], isCutOff: false };

/**
 * Changes a transform on all nodes that have it bound, or on one. What this node cannot take into use the others are
 * not asked to; a rollback is done wherever it can be, because it is what helps in need. A node that is silent stops
 * nothing: it may be gone for good.
 * @throws BrokerError
 */
export async function changeEverywhere(
  directory: Directory,
  change: TransformChange,
  node: string | null,
): Promise<ChangedEverywhere> {
  const isRollback = change.action === "rollback";
  const own = node === null ? await ask(directory, change, "own") : NOBODY;
  const isOver = !isRollback && own.answers.some(isRefused);
  let rest = NOBODY;
  try {
    if (!isOver) rest = await ask(directory, change, node === null ? "others" : [node]);
  } catch (error) {
    // Nobody else was asked.
    if (!isRollback) await undo(directory, change.id, changedIn(own.answers));
    throw error;
  }
  const answers = [...own.answers, ...rest.answers];
  const refused = answers.filter(isRefused);
  const changed = changedIn(answers);
  if (refused.length > 0 && (!isRollback || changed.length === 0)) {
    throw failure(directory, refused, await undo(directory, change.id, changed));
  }
  const [first] = changed;
  if (first === undefined) throw nothingChanged(answers, rest.isCutOff, node);
  return {
    ...first.status,
    node: first.node,
    nodes: changed.map((one) => ({ ...one.status, node: one.node })),
    ...coverageOf(answers, rest.isCutOff),
  };
}

interface Changed {
  readonly run: string;
  readonly node: string;
  readonly status: TransformStatus;
}

function changedIn(answers: readonly NodeAnswer[]): Changed[] {
  return answers.flatMap((answer) => {
    const status = statusIn(answer);
    return status === null ? [] : [{ run: answer.run, node: answer.node, status }];
  });
}

async function undo(
  directory: Directory,
  id: string,
  changed: readonly Changed[],
): Promise<readonly NodeAnswer[]> {
  if (changed.length === 0) return [];
  const runs = changed.map(({ run }) => run);
  return (await ask(directory, { action: "rollback", id }, runs)).answers;
}

function ask(
  directory: Directory,
  change: TransformChange,
  to: Question["to"],
): Promise<NodeAnswers> {
  const name = QuestionName.changeTransform;
  return directory.ask({ name, arguments: { change }, to, timeoutMs: CHANGE_MS });
}

function isRefused(answer: NodeAnswer): answer is Refused {
  return answer.type === "refusal";
}

/** Null where the transform is not bound, or nothing was changed. */
function statusIn(answer: NodeAnswer): TransformStatus | null {
  if (answer.type !== "answer") return null;
  const { status } = asRecord(answer.value);
  return typeof status === "object" ? (status as TransformStatus | null) : null;
}

/** What the node could not do that refused, and what became of those that could. */
function failure(
  directory: Directory,
  refused: readonly Refused[],
  undone: readonly NodeAnswer[],
): BrokerError {
  const [first] = refused as readonly [Refused, ...Refused[]];
  const error = asError(first.refusal);
  const isAlone = undone.length === 0 && refused.length === 1;
  // Such as a file it may not load: the code says more than what nodes it was on.
  if (!directory.isShared || (isAlone && !(error instanceof TransformChangeError))) return error;
  const nodes: NodeChange[] = [
    ...refused.map(({ node, refusal: { message } }) => ({
      node,
      outcome: "failed" as const,
      message,
    })),
    ...undone.map((answer) => afterUndo(answer)),
  ];
  return new TransformChangeError(textOf(nodes), first.refusal.fault, { cause: error, nodes });
}

function afterUndo(answer: NodeAnswer): NodeChange {
  const { node } = answer;
  if (answer.type === "silent") return { node, outcome: "unreachable", message: null };
  if (answer.type === "answer") return { node, outcome: "rolled-back", message: null };
  return { node, outcome: "not-rolled-back", message: answer.refusal.message };
}

function textOf(nodes: readonly NodeChange[]): string {
  const named = (outcome: NodeChange["outcome"]): string =>
    nodes
      .filter((one) => one.outcome === outcome)
      .map(({ node, message }) => (message === null ? node : `${node}: ${message}`))
      .join("; ");
  const parts = [
    ["failed on", named("failed")],
    ["rolled back on", named("rolled-back")],
    ["could not be rolled back on", named("not-rolled-back")],
    ["no answer to the rollback from", named("unreachable")],
  ];
  return parts.flatMap(([what, names]) => (names === "" ? [] : [`${what} ${names}`])).join("; ");
}

function nothingChanged(
  answers: readonly NodeAnswer[],
  isCutOff: boolean,
  node: string | null,
): BrokerError {
  const silent = answers.filter(({ type }) => type === "silent").map((one) => one.node);
  if (silent.length > 0) {
    return new BrokerError(Code.unavailable, `no answer from ${silent.join(", ")}`);
  }
  if (isCutOff) return new BrokerError(Code.unavailable, "other nodes cannot be asked");
  if (node !== null && answers.length === 0) {
    return new BrokerError(Code.notFound, `there is no node ${node}`);
  }
  return new BrokerError(Code.notFound, "there is no such transform");
}
