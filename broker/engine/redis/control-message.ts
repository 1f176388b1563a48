import { MAX_QUESTION_NAME, readAnswer } from "../../cluster/questions.ts";
import type { Answer } from "../../cluster/questions.ts";
import type { TraceRuleChange } from "../../tracing/debug-rules.ts";
import type { TraceRequest } from "../../tracing/engine-tracer.ts";
import { readRuleChange, readTraceRequest } from "../../tracing/trace-request.ts";

/** What nodes say to one another, as JSON on the control channel. */
export type ControlMessage =
  /** Do this to your connections. `text` says whose; see `targetText`. */
  | {
      readonly type: "disconnect" | "revoke";
      /** Of the asking node; the answer goes to its own channel. */
      readonly from: string;
      readonly id: string;
      readonly text: string;
      readonly atMs: number;
    }
  /** Done; so many connections were closed. */
  | { readonly type: "done"; readonly id: string; readonly closed: number }
  /** Tell your part of a publication's trace. */
  | { readonly type: "trace"; readonly request: TraceRequest }
  /** This is traced from now on, or no longer. */
  | { readonly type: "trace-rule"; readonly change: TraceRuleChange }
  /** A question to all nodes, or those named in `to`; `arguments` are JSON text. */
  | {
      readonly type: "ask";
      /** Run of the asking node; the answer goes to its own channel. */
      readonly from: string;
      readonly id: string;
      readonly name: string;
      /** Not to be acted on after this, ms of the clock that all nodes share. */
      readonly untilMs: number;
      readonly to: readonly string[] | null;
      readonly arguments: string;
    }
  /** What the run `from` answers to a question; null: it is not for it. */
  | {
      readonly type: "answer";
      readonly id: string;
      readonly from: string;
      readonly answer: Answer | null;
    }
  /** Look at what is remembered: something was added without a word. */
  | { readonly type: "sync" }
  /** Redis has lost its data: write yours again. */
  | { readonly type: "erased" };

export function writeControlMessage(message: ControlMessage): string {
  return JSON.stringify(message);
}

/** Null for what is not ours, or of a later version. */
export function readControlMessage(bytes: Buffer): ControlMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { type, from, id, text, atMs, closed, request, change } = value as Record<string, unknown>;
  switch (type) {
    case "disconnect":
    case "revoke":
      if (typeof from !== "string" || typeof id !== "string") return null;
      if (typeof text !== "string" || typeof atMs !== "number") return null;
      return { type, from, id, text, atMs };
    case "done":
      if (typeof id !== "string" || typeof closed !== "number") return null;
      return { type, id, closed };
    case "trace": {
      const asked = readTraceRequest(request);
      return asked === null ? null : { type, request: asked };
    }
    case "trace-rule": {
      const told = readRuleChange(change);
      return told === null ? null : { type, change: told };
    }
    case "ask":
      return readAsk(value as Record<string, unknown>);
    case "answer": {
      const { answer } = value as Record<string, unknown>;
      const read = answer === null ? null : readAnswer(answer);
      if (typeof from !== "string" || typeof id !== "string" || read === undefined) return null;
      return { type, id, from, answer: read };
    }
    case "sync":
    case "erased":
      return { type };
    default:
      return null;
  }
}

function readAsk(value: Record<string, unknown>): ControlMessage | null {
  const { from, id, name, untilMs, to, arguments: given } = value;
  if (typeof from !== "string" || typeof id !== "string" || typeof given !== "string") return null;
  if (typeof name !== "string" || name.length > MAX_QUESTION_NAME) return null;
  if (typeof untilMs !== "number") return null;
  if (to !== null && !(Array.isArray(to) && to.every((one) => typeof one === "string")))
    return null;
  return { type: "ask", from, id, name, untilMs, to, arguments: given };
}
