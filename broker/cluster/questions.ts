import { Code, codeInfo } from "../../protocol/codes.ts";
import { BrokerError, TransformChangeError } from "../api.ts";
import type { TransformFaultReport } from "../api.ts";
import { silentLogger } from "../ports.ts";
import type { Logger } from "../ports.ts";

/** Questions of other nodes that one works on at a time. */
const MAX_ANSWERING = 64;

/** The longest name of a question. */
export const MAX_QUESTION_NAME = 64;

/** A question to nodes: its name, and arguments that JSON can hold. */
export interface Question {
  readonly name: string;
  readonly arguments: unknown;
  /** Whom it is for: all, this node, all but this one, or nodes by their names or the names of their runs. */
  readonly to: "all" | "own" | "others" | readonly string[];
  /** Other nodes have this long for their answers, ms; who gets it later does not act on it. */
  readonly timeoutMs: number;
}

/** A refusal as it goes between nodes. */
export interface RefusalText {
  /** Number in the registry of codes. */
  readonly code: number;
  readonly message: string;
  readonly retryAfterMs: number | null;
  readonly fault: TransformFaultReport | null;
}

/** What a node makes of a question. */
export type Answer =
  | { readonly type: "answer"; readonly value: unknown }
  | { readonly type: "refusal"; readonly refusal: RefusalText };

/** The same, and whose it is; or that nothing came in time. */
export type NodeAnswer = {
  readonly node: string;
  /** Name of this run of the node: two may go by one name while one replaces the other. */
  readonly run: string;
} & (Answer | { readonly type: "silent" });

export interface NodeAnswers {
  /** This node's first, the others by their names. */
  readonly answers: readonly NodeAnswer[];
  /** Others could not be asked at all. */
  readonly isCutOff: boolean;
}

/** Answers a question; may throw, and reject with, a BrokerError. */
export type Answering = (given: Readonly<Record<string, unknown>>) => unknown;

/** What a node answers to questions, its own and those of others. */
export class Answerer {
  readonly #answering = new Map<string, Answering>();
  readonly #logger: Logger;
  #underWay = 0;

  constructor(logger: Logger = silentLogger) {
    this.#logger = logger;
  }

  /** Sets what answers the questions of this name. */
  on(name: string, answering: Answering): void {
    this.#answering.set(name, answering);
  }

  /** Never rejects: what goes wrong is an answer as well. */
  async answer(name: string, given: unknown): Promise<Answer> {
    const answering = this.#answering.get(name);
    if (answering === undefined) {
      return refusalAnswer(
        new BrokerError(Code.unknownOp, "unknown: this node knows no such question"),
      );
    }
    if (this.#underWay >= MAX_ANSWERING) {
      return refusalAnswer(
        new BrokerError(Code.overloaded, "this node answers too many questions"),
      );
    }
    this.#underWay++;
    try {
      return { type: "answer", value: await answering(asRecord(given)) };
    } catch (error) {
      if (error instanceof BrokerError) return refusalAnswer(error);
      this.#logger.log("error", "question_failed", { question: name, error });
      return refusalAnswer(new BrokerError(Code.internal));
    } finally {
      this.#underWay--;
    }
  }
}

export function refusalAnswer(error: BrokerError): Answer {
  const { info, message, retryAfterMs } = error;
  const fault = error instanceof TransformChangeError ? error.fault : null;
  return { type: "refusal", refusal: { code: info.code, message, retryAfterMs, fault } };
}

/** The error that another node met, or this one. */
export function asError({ code, message, retryAfterMs, fault }: RefusalText): BrokerError {
  const info = codeInfo(code) ?? Code.internal;
  if (fault !== null || info === Code.badField) return new TransformChangeError(message, fault);
  return new BrokerError(info, message, retryAfterMs === null ? {} : { retryAfterMs });
}

/** Whether a question is for this node. */
export function isForNode(to: Question["to"], node: string, run: string): boolean {
  return typeof to === "string" ? to !== "others" : to.includes(node) || to.includes(run);
}

/** Reads an answer that came from another node; undefined for what is none. */
export function readAnswer(given: unknown): Answer | undefined {
  const { type, value = null, refusal } = asRecord(given);
  if (type === "answer") return { type, value };
  const read = type === "refusal" ? readRefusal(refusal) : null;
  return read === null ? undefined : { type: "refusal", refusal: read };
}

/** Reads a refusal that came from another node; null for what is none. */
function readRefusal(value: unknown): RefusalText | null {
  const { code, message, retryAfterMs = null, fault = null } = asRecord(value);
  if (typeof code !== "number" || typeof message !== "string") return null;
  return {
    code,
    message,
    retryAfterMs: typeof retryAfterMs === "number" ? retryAfterMs : null,
    fault: readFault(fault),
  };
}

function readFault(value: unknown): TransformFaultReport | null {
  if (typeof value !== "object" || value === null) return null;
  const { type, message, file, line, issues } = asRecord(value);
  return {
    type: typeof type === "string" ? type : "load",
    message: typeof message === "string" ? message : "",
    file: typeof file === "string" ? file : null,
    line: typeof line === "number" ? line : null,
    issues: Array.isArray(issues) ? (issues as TransformFaultReport["issues"]) : [],
  };
}

/** The fields of an object; none of what is no object. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Readonly<Record<string, unknown>>) : {};
}

/** As many of the first items as leave room, as JSON, within so many bytes. */
export function mostThatFit<Item>(items: readonly Item[], maxBytes: number): readonly Item[] {
  let bytes = 2;
  for (const [i, item] of items.entries()) {
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
    if (bytes > maxBytes) return items.slice(0, i);
  }
  return items;
}
