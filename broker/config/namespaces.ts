import { channelNameKind, patternCovers } from "../../protocol/channel-name.ts";
import { ACK_LEVELS, DELIVERIES, ROUTINGS } from "../channels/namespace.ts";
import type { NamespaceOptions } from "../channels/namespace.ts";
import { BadValue } from "./config-error.ts";
import { boolean, choice, duration, integer, share, shown, size } from "./option.ts";
import type { Option } from "./option.ts";
import { parseList } from "./parse-list.ts";
import { nearest } from "./suggest.ts";

/** A namespace as a config file holds it: what it leaves out comes from the options of the same purpose. */
export type NamespaceInput = { readonly pattern: string } & {
  readonly [Key in keyof typeof NAMESPACE_OPTIONS]?: NonNullable<
    (typeof NAMESPACE_OPTIONS)[Key]["input"]
  >;
};

/** A namespace as given: what it leaves out is not there. */
export type NamespaceOverride = Pick<NamespaceOptions, "pattern"> & Partial<NamespaceOptions>;

const group = "History and channels";
const WEEK_MS = 7 * 86_400_000;

/** The options a namespace may set; the table of options holds the defaults of the same rows. */
export const NAMESPACE_OPTIONS = {
  historySize: integer({
    group,
    fallback: 256,
    min: 0,
    max: 1_000_000,
    unit: "publications",
    text: "Publications kept per channel for history and recovery; 0 keeps none.",
  }),
  historyTtlMs: duration({
    group,
    unit: "ms",
    fallback: 300_000,
    min: 1000,
    max: WEEK_MS,
    text: "How long a publication is kept.",
  }),
  flushIntervalMs: duration({
    group,
    unit: "ms",
    fallback: 0,
    min: 0,
    max: 50,
    text: "How long publications may wait to leave together; 0 waits for the end of the event-loop tick only.",
  }),
  presence: boolean({
    group,
    fallback: true,
    text: "Whether clients may enter and read the presence of a channel.",
  }),
  ack: choice({
    group,
    choices: ACK_LEVELS,
    fallback: () => "accepted" as const,
    fallbackText: "accepted",
    text: "When a publish over Redis is acknowledged: taken in by the node (none), stored (accepted), or stored on a replica too (replicated).",
  }),
  routing: choice({
    group,
    choices: ROUTINGS,
    fallback: () => "partition" as const,
    fallbackText: "partition",
    text: "What brokers exchange publications of a channel over: the Redis pub/sub channel of its partition, or one of its own (channel), which takes no pattern subscriptions; for very many private channels over many brokers.",
  }),
  delivery: choice({
    group,
    choices: DELIVERIES,
    fallback: () => "total" as const,
    fallbackText: "total",
    text: "Whether all subscribers get publications over Redis, in one order (total), or those on the publisher's own broker before that, each publisher's in its order (local-first); local-first needs historySize 0.",
  }),
  maxPayloadBytes: size({
    group: "Limits",
    fallback: 64_512,
    min: 1,
    max: 16 * 1024 * 1024 - 1,
    text: "Largest payload of a publication; must be below maxMessageBytes, which holds the whole frame.",
  }),
  maxSubscribers: integer({
    group: "Limits",
    fallback: 0,
    min: 0,
    max: 10_000_000,
    unit: "subscriptions",
    text: "Subscribers one channel may have on this node; 0 sets no limit.",
  }),
  traceRate: share({
    group: "Tracing",
    fallback: 0.001,
    text: "Share of publications that are traced whatever becomes of them, while traces are exported (OTEL_* variables); a node makes no more of them than tracesPerSecond.",
  }),
  slowMs: duration({
    group: "Tracing",
    unit: "ms",
    fallback: 250,
    min: 0,
    max: 600_000,
    text: "A delivery that takes longer than this is traced and listed as slow; 0 does neither.",
  }),
} as const;

const MAX_NAMESPACES = 256;

export const namespacesOption: Option<readonly NamespaceOverride[], readonly NamespaceInput[]> = {
  group,
  type: "list of namespaces",
  unit: null,
  range: null,
  text:
    `Channels that differ from the defaults: objects of \`pattern\` and any of ` +
    `${Object.keys(NAMESPACE_OPTIONS).join(", ")}; the first pattern that matches wins. JSON text outside a file.`,
  fallback: () => [],
  fallbackText: "none",
  isSecret: false,
  flagStyle: "value",
  parse: (raw) => {
    const namespaces = parseList(raw, "namespaces", MAX_NAMESPACES).map(parseNamespace);
    checkReachable(namespaces);
    return namespaces;
  },
};

function parseNamespace(raw: unknown, index: number): NamespaceOverride {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw))
    throw new BadValue(`entry ${index + 1} is not an object with a pattern`);
  const { pattern, ...rest } = raw as Record<string, unknown>;
  if (typeof pattern !== "string" || channelNameKind(pattern) === "invalid")
    throw new BadValue(`entry ${index + 1}: ${shown(pattern)} is not a channel name or pattern`);
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined) continue;
    try {
      values[name] = namespaceOption(name).parse(value);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      throw new BadValue(`"${pattern}", ${name}: ${error.message}`, { cause: error });
    }
  }
  return Object.freeze({ pattern, ...values });
}

function namespaceOption(name: string): Option<unknown, unknown> {
  if (Object.hasOwn(NAMESPACE_OPTIONS, name))
    return NAMESPACE_OPTIONS[name as keyof typeof NAMESPACE_OPTIONS];
  const names = Object.keys(NAMESPACE_OPTIONS);
  const hint = nearest(name, names);
  throw new BadValue(
    hint === null
      ? `is not an option of a namespace; those are ${names.join(", ")}`
      : `did you mean ${hint}?`,
  );
}

/** An entry that an earlier one always beats is a mistake in the order. */
function checkReachable(namespaces: readonly NamespaceOverride[]): void {
  for (const [index, { pattern }] of namespaces.entries()) {
    const winner = namespaces.slice(0, index).find((one) => patternCovers(one.pattern, pattern));
    if (winner !== undefined)
      throw new BadValue(
        `"${pattern}" is never used, because "${winner.pattern}" stands before it; put it first`,
      );
  }
}

/** Fills in the defaults and makes sure that the last entry matches every channel. */
export function resolveNamespaces(
  given: readonly NamespaceOverride[],
  defaults: Omit<NamespaceOptions, "pattern">,
): readonly NamespaceOptions[] {
  const complete = given.map((one) => Object.freeze({ ...defaults, ...one }));
  if (complete.at(-1)?.pattern !== ">") complete.push(Object.freeze({ ...defaults, pattern: ">" }));
  return Object.freeze(complete);
}
