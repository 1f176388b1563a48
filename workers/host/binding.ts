import { basename, extname } from "node:path";

import { isChannelName, isChannelPattern, patternMatches } from "../../protocol/channel-name.ts";
import type { PinnedCode } from "../boundary/pinned-code.ts";
import type { TransformManifest } from "../boundary/worker-link.ts";
import { TransformError } from "./host-types.ts";
import type { ErrorPolicy, Isolation, ShedPolicy, TransformBinding } from "./host-types.ts";

const MAX_WORKERS = 16;
const DEAD_LETTER = "dead-letter:";

/** A binding with everything said. */
export interface Bound {
  readonly index: number;
  readonly id: string;
  readonly use: string;
  readonly channels: readonly string[];
  readonly config: unknown;
  readonly onError: ErrorPolicy;
  readonly emit: readonly string[];
  readonly workers: number;
  readonly isolation: Isolation;
  readonly shed: ShedPolicy;
}

/** A transform of a pipeline as it is to be loaded. */
export interface StageSource {
  readonly bound: Bound;
  readonly use: string;
  readonly config: unknown;
  /** Of a version that has been loaded before; null: what `use` leads to when the first worker starts. */
  readonly code: PinnedCode | null;
}

/** One version of a binding's transform: what is loaded, and what is known of it since. */
export interface Version extends StageSource {
  readonly manifest: TransformManifest;
}

/** @throws TransformError invalid */
export function bindAll(bindings: readonly TransformBinding[]): readonly Bound[] {
  const ids = new Set<string>();
  return bindings.map((binding, index) => {
    let id = binding.id ?? defaultId(binding.use);
    for (let n = 2; binding.id === undefined && ids.has(id); n++) {
      id = `${defaultId(binding.use)}-${n}`;
    }
    if (ids.has(id)) throw new TransformError("invalid", `two transforms have the id "${id}"`);
    ids.add(id);
    return bind(binding, id, index);
  });
}

function defaultId(use: string): string {
  const name = basename(use, extname(use));
  return name.replace(/[^A-Za-z0-9_-]+/g, "-") || "transform";
}

function bind(binding: TransformBinding, id: string, index: number): Bound {
  const { channels, onError, emit = [], workers = 1 } = binding;
  const refuse = (what: string): never => {
    throw new TransformError("invalid", `transform "${id}": ${what}`);
  };
  if (channels.length === 0) refuse("it is bound to no channels");
  for (const pattern of [...channels, ...emit]) {
    if (!isChannelPattern(pattern)) refuse(`"${pattern}" is not a channel or pattern`);
  }
  if (!Number.isInteger(workers) || workers < 1 || workers > MAX_WORKERS) {
    refuse(`workers must be 1 to ${MAX_WORKERS}`);
  }
  const letters = deadLetterChannel(onError);
  if (letters !== null && !isChannelName(letters)) {
    refuse(`"${letters}" is not a channel for dead letters`);
  }
  if (letters === null && onError !== "drop" && onError !== "pass" && onError !== "nack") {
    refuse(`onError must be "drop", "pass", "nack" or "dead-letter:<channel>"`);
  }
  return {
    index,
    id,
    use: binding.use,
    channels,
    config: binding.config,
    onError,
    emit,
    workers,
    isolation: binding.isolation ?? "thread",
    shed: binding.shed ?? "reject",
  };
}

/** The channel that a policy sends failures to; null for another policy. */
export function deadLetterChannel(policy: string): string | null {
  return policy.startsWith(DEAD_LETTER) ? policy.slice(DEAD_LETTER.length) : null;
}

/**
 * What only the manifest tells: whether the operator's choices fit the transform.
 * @throws TransformError invalid
 */
export function checkFit(bound: Bound, manifest: TransformManifest): void {
  if (!manifest.failClosed) return;
  const says = `transform "${bound.id}": ${manifest.name} must not be left out when it fails`;
  if (bound.onError === "pass")
    throw new TransformError("invalid", `${says}: onError cannot be "pass"`);
  if (bound.shed === "bypass")
    throw new TransformError("invalid", `${says}: shed cannot be "bypass"`);
}

export function isBoundTo(bound: Bound, channel: string): boolean {
  return bound.channels.some((pattern) => patternMatches(pattern, channel));
}

/** Whether a version has anything to do on a channel at all. */
export function matchesChannel({ manifest }: Version, channel: string): boolean {
  const { channels } = manifest.match;
  return channels === null || channels.some((pattern) => patternMatches(pattern, channel));
}

/** Of bindings in one pipeline: one that wants its publications refused rather than changed has its way. */
export function strictestShed(bounds: readonly Bound[]): ShedPolicy {
  const policies = new Set(bounds.map(({ shed }) => shed));
  if (policies.has("reject")) return "reject";
  return policies.has("drop-oldest") ? "drop-oldest" : "bypass";
}
