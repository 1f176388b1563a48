import { isChannelPattern, patternMatches } from "../../protocol/channel-name.ts";
import { Code } from "../../protocol/codes.ts";
import { BrokerError } from "../api.ts";
import { randomId } from "../engine/epoch.ts";
import type { Clock } from "../ports.ts";

/** Rules in force at a time, and the longest one may be. */
export const MAX_TRACE_RULES = 32;
export const MAX_TRACE_RULE_MS = 900_000;

/** What to trace, whoever samples what. Of what is given, all must fit. */
export interface TraceRuleInput {
  readonly channel: string | null;
  readonly user: string | null;
  readonly connection: string | null;
  readonly ttlMs: number;
}

export interface TraceRule extends Omit<TraceRuleInput, "ttlMs"> {
  readonly id: string;
  /** Wall clock ms. */
  readonly expiresAtMs: number;
}

/** A rule is set, or ended by its id. */
export type TraceRuleChange =
  | { readonly type: "set"; readonly rule: TraceRule }
  | { readonly type: "ended"; readonly id: string };

/** Rules that an operator has set for a while. */
export class DebugRules {
  readonly #clock: Clock;
  #rules: readonly TraceRule[] = [];
  /** Whether there is any; may still be true for a moment after the last one has ended. */
  isAny = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  list(): readonly TraceRule[] {
    this.expire();
    return this.#rules;
  }

  /** @throws BrokerError bad_field or overloaded */
  add({ channel, user, connection, ttlMs }: TraceRuleInput): TraceRule {
    this.expire();
    if (channel === null && user === null && connection === null) {
      throw new BrokerError(Code.badField, "a rule needs a channel, a user or a connection");
    }
    if (channel !== null && !isChannelPattern(channel)) {
      throw new BrokerError(Code.badChannel, "not a valid pattern");
    }
    if (!(ttlMs > 0 && ttlMs <= MAX_TRACE_RULE_MS)) {
      throw new BrokerError(Code.badField, `ttlMs must be 1 to ${MAX_TRACE_RULE_MS}`);
    }
    if (this.#rules.length >= MAX_TRACE_RULES) {
      throw new BrokerError(Code.overloaded, `there are ${MAX_TRACE_RULES} rules already`);
    }
    const expiresAtMs = this.#clock.wallMs() + ttlMs;
    const rule = { id: randomId(8), channel, user, connection, expiresAtMs };
    this.#rules = [...this.#rules, rule];
    this.isAny = true;
    return rule;
  }

  /** Takes over what was set on another node; lets go of it when there are too many. */
  adopt(rule: TraceRule): void {
    this.expire();
    const others = this.#rules.filter(({ id }) => id !== rule.id);
    if (others.length >= MAX_TRACE_RULES) return;
    const latestMs = this.#clock.wallMs() + MAX_TRACE_RULE_MS;
    this.#rules = [...others, { ...rule, expiresAtMs: Math.min(rule.expiresAtMs, latestMs) }];
    this.isAny = true;
  }

  /** False when there is none of this id. */
  remove(id: string): boolean {
    const rules = this.#rules.filter((rule) => rule.id !== id);
    const isFound = rules.length < this.#rules.length;
    this.#rules = rules;
    this.isAny = rules.length > 0;
    return isFound;
  }

  /** Whether a rule asks for this publication. */
  matches(channel: string, connection: string | null, user: string | null): boolean {
    if (!this.isAny) return false;
    this.expire();
    return this.#rules.some(
      (rule) =>
        (rule.user === null || rule.user === user) &&
        (rule.connection === null || rule.connection === connection) &&
        (rule.channel === null || patternMatches(rule.channel, channel)),
    );
  }

  expire(): void {
    if (!this.isAny) return;
    const nowMs = this.#clock.wallMs();
    if (this.#rules.some(({ expiresAtMs }) => expiresAtMs <= nowMs)) {
      this.#rules = this.#rules.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
    }
    this.isAny = this.#rules.length > 0;
  }
}
