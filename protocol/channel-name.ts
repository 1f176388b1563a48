import { MAX_CHANNEL_BYTES, MAX_CHANNEL_SEGMENTS } from "./limits.ts";

/**
 * Channel names and patterns [P-5].
 *
 *   name     = segment *( "." segment )          1-255 bytes, at most 32 segments
 *   segment  = 1*( A-Z a-z 0-9 _ : / @ - )
 *   pattern  = as a name, but a segment may be "*" (exactly one segment),
 *              and the last may be ">" (one segment or more)
 */

const SEGMENT_CHARS = /^[A-Za-z0-9_:/@-]+$/;

export type ChannelNameKind = "name" | "pattern" | "invalid";

/** Says whether a string is a channel name, a pattern with at least one wildcard, or neither. */
export function channelNameKind(value: string): ChannelNameKind {
  if (value.length === 0 || value.length > MAX_CHANNEL_BYTES) return "invalid";
  const segments = value.split(".");
  if (segments.length > MAX_CHANNEL_SEGMENTS) return "invalid";
  let kind: ChannelNameKind = "name";
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i] as string;
    if (segment === "*" || (segment === ">" && i === segments.length - 1)) kind = "pattern";
    else if (!SEGMENT_CHARS.test(segment)) return "invalid";
  }
  return kind;
}

export function isChannelName(value: string): boolean {
  return channelNameKind(value) === "name";
}

/** True for a name as well: a pattern without wildcards matches just itself. */
export function isChannelPattern(value: string): boolean {
  return channelNameKind(value) !== "invalid";
}

/** Whether a valid pattern matches a valid channel name. */
export function patternMatches(pattern: string, name: string): boolean {
  const p = pattern.split(".");
  const n = name.split(".");
  for (let i = 0; i < p.length; i++) {
    if (p[i] === ">") return n.length > i;
    if (i >= n.length) return false;
    if (p[i] !== "*" && p[i] !== n[i]) return false;
  }
  return p.length === n.length;
}

/**
 * Whether every channel that `requested` (a name or pattern) can match is also matched by `granted`.
 * This is what decides if a token that grants one pattern may subscribe to another [P-5.4].
 */
export function patternCovers(granted: string, requested: string): boolean {
  const g = granted.split(".");
  const r = requested.split(".");
  for (let i = 0; i < g.length; i++) {
    if (g[i] === ">") return r.length > i;
    if (i >= r.length) return false;
    if (r[i] === ">") return false;
    if (g[i] === "*") continue;
    if (g[i] !== r[i]) return false;
  }
  return g.length === r.length;
}

/** Whether there is a channel that both patterns match. */
export function patternsMeet(one: string, other: string): boolean {
  const a = one.split(".");
  const b = other.split(".");
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] === ">" || b[i] === ">") return true;
    if (a[i] !== "*" && b[i] !== "*" && a[i] !== b[i]) return false;
  }
  return a.length === b.length;
}
