import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import type { LocalDirectory } from "../../cluster/directory.ts";
import { isForNode, refusalAnswer } from "../../cluster/questions.ts";
import type { Answer, NodeAnswer, NodeAnswers, Question } from "../../cluster/questions.ts";
import type { Logger } from "../../ports.ts";
import { randomId } from "../epoch.ts";
import { writeControlMessage } from "./control-message.ts";
import type { ControlMessage } from "./control-message.ts";
import type { Keys } from "./keys.ts";
import { messageOf } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";
import { nodeOf, runOf } from "./lease-view.ts";
import type { Lease } from "./lease.ts";
import { Poll } from "./question-poll.ts";

/** Bounds of what goes between nodes: the arguments of a question, and one node's answer to it. */
const MAX_QUESTION_BYTES = 256 * 1024;
const MAX_ANSWER_BYTES = 256 * 1024;

/** Questions of this node that wait for answers. */
const MAX_POLLS = 64;

/** How often it is looked whether those who are missing still live, ms. */
const LOOK_MS = 500;

/** An answer that could not be sent is sent again after this, ms. */
const AGAIN_MS = 200;

/** In the place of the name of a node that was told, did not answer, and has no lease. */
const UNKNOWN = "unknown";

export interface QuestionsOptions {
  readonly home: Home;
  readonly keys: Keys;
  readonly local: LocalDirectory;
  readonly lease: Lease;
  /** Name of this run of this node. */
  readonly incarnation: string;
  /** Time of the clock that all nodes share, ms. */
  readonly commonMs: () => number;
  readonly logger: Logger;
}

type Ask = Extract<ControlMessage, { readonly type: "ask" }>;
type Answered = Extract<ControlMessage, { readonly type: "answer" }>;

/**
 * Asks all nodes something and collects what they answer. Everybody who hears a question answers, if only that it
 * is not for him: so it is over when as many have answered as Redis has told.
 */
export class Questions {
  readonly #options: QuestionsOptions;
  readonly #polls = new Map<string, Poll>();
  #isStopped = false;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** @throws BrokerError too_large or overloaded; then nobody was asked */
  async ask(question: Question): Promise<NodeAnswers> {
    const { local, incarnation: run } = this.#options;
    const { to, name } = question;
    const node = nodeOf(run);
    const isForOthers = typeof to === "string" ? to !== "own" : to.some((one) => one !== run);
    const asking = isForOthers ? this.#askOthers(question) : null;
    const own = isForNode(to, node, run)
      ? await local.answerer.answer(name, question.arguments)
      : null;
    const others = await asking;
    return {
      answers: [...(own === null ? [] : [{ node, run, ...own }]), ...(others?.answers ?? [])],
      isCutOff: others?.isCutOff === true,
    };
  }

  #askOthers(question: Question): Promise<NodeAnswers> {
    const { incarnation: from, commonMs } = this.#options;
    const { name, to, timeoutMs } = question;
    const given = JSON.stringify(question.arguments ?? null);
    if (Buffer.byteLength(given) > MAX_QUESTION_BYTES) {
      throw new BrokerError(Code.tooLarge, `other nodes take ${MAX_QUESTION_BYTES} bytes`);
    }
    if (this.#polls.size >= MAX_POLLS) {
      throw new BrokerError(Code.overloaded, "too many questions wait for other nodes");
    }
    const id = randomId(12);
    const names = typeof to === "string" ? null : to;
    const untilMs = commonMs() + timeoutMs;
    const ask: Ask = { type: "ask", from, id, name, untilMs, to: names, arguments: given };
    const poll = new Poll(timeoutMs);
    this.#polls.set(id, poll);
    return this.#collect(poll, ask).finally(() => {
      poll.abandon();
      this.#polls.delete(id);
    });
  }

  async #collect(poll: Poll, ask: Ask): Promise<NodeAnswers> {
    const { logger } = this.#options;
    const { to } = ask;
    void this.#tell(poll, ask);
    const standing = await Promise.race([this.#standing(), poll.abandoned.then(() => null)]);
    const asked = [...(standing ?? [])].filter(
      (run) => run !== ask.from && (to === null || isForNode(to, nodeOf(run), run)),
    );
    if (to !== null) poll.want(asked);
    const looking = setInterval(() => void this.#endWithoutDead(poll, asked), LOOK_MS);
    await poll.over;
    clearInterval(looking);
    const silent = poll.isTold ? await this.#silent(poll, asked, to === null) : asked;
    if (silent.length > 0) {
      logger.log("warn", "question_unanswered", { question: ask.name, nodes: silent.join(" ") });
    }
    const answers = [...poll.answers(), ...silent.map(silentAnswer)];
    // Where this node's own lease is not known, others may be missing as well: Redis has lost its data.
    const isKnown = standing?.has(ask.from) === true;
    return {
      answers: answers.toSorted((a, b) => (a.run < b.run ? -1 : 1)),
      isCutOff: !poll.isTold || !isKnown,
    };
  }

  async #tell(poll: Poll, ask: Ask): Promise<void> {
    const { home, keys, logger } = this.#options;
    try {
      const message = writeControlMessage(ask);
      poll.expect(
        Number(await home.call(home.shard.publishCommand, keys.home("control"), message)),
      );
    } catch (error) {
      logger.log("warn", "question_not_asked", { question: ask.name, error: messageOf(error) });
      poll.abandon();
    }
  }

  /** Does not wait any longer when all who are missing have lost their leases. */
  async #endWithoutDead(poll: Poll, asked: readonly string[]): Promise<void> {
    const standing = await this.#standing();
    if (standing === null || !poll.isTold) return;
    const dead = asked.filter((run) => !poll.hasHeard(run) && !standing.has(run));
    if (dead.length > 0 && poll.missing <= dead.length) poll.end();
  }

  /** Runs that have a lease now; null when that cannot be said. */
  async #standing(): Promise<ReadonlySet<string> | null> {
    const view = await this.#options.lease.view.read();
    return view === null ? null : new Set([...view.standing].map(runOf));
  }

  /** Who did not answer: who has a lease, and who was told, be it by no name. */
  async #silent(poll: Poll, asked: readonly string[], isForAll: boolean): Promise<string[]> {
    const unheard = asked.filter((run) => !poll.hasHeard(run));
    if (unheard.length === 0 && poll.missing === 0) return [];
    const standing = await this.#standing();
    const alive = unheard.filter((run) => standing === null || standing.has(run));
    if (!isForAll) return unheard;
    const dead = unheard.filter((run) => !alive.includes(run));
    const named = [...alive, ...dead.slice(0, Math.max(0, poll.missing - alive.length))];
    const unnamed = Math.max(0, poll.missing - named.length);
    return [...named, ...Array.from({ length: unnamed }, () => UNKNOWN)];
  }

  /** A node asks; it may be this one, which has answered itself. */
  async asked(ask: Ask): Promise<void> {
    const { incarnation: run, home, keys, commonMs, logger } = this.#options;
    if (ask.from === run) {
      this.#polls.get(ask.id)?.take(run, null);
      return;
    }
    const answer = await this.#answerTo(ask);
    const { id, from } = ask;
    let message = writeControlMessage({ type: "answer", id, from: run, answer });
    if (Buffer.byteLength(message) > MAX_ANSWER_BYTES) {
      const refusal = refusalAnswer(
        new BrokerError(Code.tooLarge, `the answer is larger than ${MAX_ANSWER_BYTES} bytes`),
      );
      message = writeControlMessage({ type: "answer", id, from: run, answer: refusal });
    }
    while (!this.#isStopped) {
      try {
        await home.call(home.shard.publishCommand, keys.home(`control:${from}`), message);
        return;
      } catch (error) {
        // Who asked waits until then, and a change must not seem undone because of a moment's interruption.
        if (commonMs() + AGAIN_MS > ask.untilMs) {
          logger.log("debug", "question_not_answered", { error: messageOf(error) });
          return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  /** Null when it is not for this node. */
  async #answerTo({ name, arguments: given, to, untilMs }: Ask): Promise<Answer | null> {
    const { incarnation: run, local, commonMs } = this.#options;
    if (to !== null && !isForNode(to, nodeOf(run), run)) return null;
    if (commonMs() > untilMs) {
      return refusalAnswer(new BrokerError(Code.unavailable, "the question came too late"));
    }
    let parsed: unknown;
    try {
      parsed = JSON.parse(given);
    } catch {
      return refusalAnswer(new BrokerError(Code.badField, "the arguments are not JSON"));
    }
    return local.answerer.answer(name, parsed);
  }

  answered({ id, from, answer }: Answered): void {
    const poll = this.#polls.get(id);
    poll?.take(from, answer === null ? null : { node: nodeOf(from), run: from, ...answer });
  }

  stop(): void {
    this.#isStopped = true;
    for (const poll of this.#polls.values()) poll.abandon();
  }
}

function silentAnswer(run: string): NodeAnswer {
  return { node: run === UNKNOWN ? UNKNOWN : nodeOf(run), run, type: "silent" };
}
