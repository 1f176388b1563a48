import { formatCount, formatDuration } from "../format.ts";

/** Messages of one version while a rollout compares it with another. */
interface Tally {
  readonly messages: number;
  readonly failed: number;
  readonly meanRunMs: number;
}

/** A version that is tried out, or has just taken over. */
interface Rollout {
  readonly mode: string;
  readonly version: string;
  readonly channels?: readonly string[];
  readonly percent?: number;
  readonly candidate?: Tally;
  readonly baseline?: Tally;
  /** Of a shadow. */
  readonly same?: number;
  readonly different?: number;
  readonly shadow?: Tally;
  readonly served?: Tally;
  readonly endedBecause: string | null;
}

/** The part of a transform's status that is shown. */
export interface Status {
  readonly node: string;
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly previousVersion: string | null;
  readonly state: string;
  readonly channels: readonly string[];
  readonly onError: string;
  readonly lanes: number;
  readonly queued: number;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly restarts: Readonly<Record<string, number>>;
  readonly queueMs: { readonly p50: number; readonly p99: number };
  readonly runMs: { readonly p50: number; readonly p99: number };
  readonly recentFaults: readonly {
    readonly atMs: number;
    readonly type: string;
    readonly message: string;
    readonly channel: string | null;
  }[];
  readonly rollout: unknown;
}

/** @param isNamed whether it is told which node it is on */
function statusText(one: Status, isNamed: boolean): string {
  const { id, node, name, version, previousVersion, state, rollout } = one;
  const before = previousVersion === null ? "" : ` (before: ${previousVersion})`;
  const lines = [
    `${id}${isNamed ? ` on ${node}` : ""}: ${name} ${version}${before}, ${state}`,
    `  channels  ${one.channels.join(" ")}; on error: ${one.onError}`,
    `  verdicts  ${counts(one.verdicts)}`,
    `  waiting   ${formatCount(one.queued)} in ${formatCount(one.lanes)} lanes; p50 ${formatDuration(one.queueMs.p50)}, p99 ${formatDuration(one.queueMs.p99)}`,
    `  running   p50 ${formatDuration(one.runMs.p50)}, p99 ${formatDuration(one.runMs.p99)}`,
    `  faults    ${counts(one.faults)}; restarts: ${counts(one.restarts)}`,
  ];
  if (rollout !== null) lines.push(...rolloutText(rollout as Rollout));
  for (const { atMs, type, message, channel } of one.recentFaults.slice(-3)) {
    const where = channel === null ? "" : ` on ${channel}`;
    lines.push(`  ${new Date(atMs).toISOString()}  ${type}${where}: ${message}`);
  }
  return lines.join("\n");
}

function rolloutText(rollout: Rollout): string[] {
  const { mode, version, percent, channels, same, different, endedBecause } = rollout;
  const share = percent === undefined ? "" : ` of ${percent} %`;
  const where = channels === undefined ? "" : ` on ${channels.join(" ")}`;
  const compared =
    same === undefined || different === undefined
      ? ""
      : `; outputs: ${formatCount(same)} the same, ${formatCount(different)} different`;
  const end = endedBecause === null ? "" : `; ended: ${endedBecause}`;
  const lines = [`  rollout   ${mode}${share} ${version}${where}${compared}${end}`];
  const [own, other] = [rollout.candidate ?? rollout.shadow, rollout.baseline ?? rollout.served];
  if (own !== undefined) lines.push(`            ${version}: ${tallyText(own)}`);
  if (other !== undefined) lines.push(`            beside it: ${tallyText(other)}`);
  return lines;
}

function tallyText({ messages, failed, meanRunMs }: Tally): string {
  return `${formatCount(messages)} messages, ${formatCount(failed)} failed, ${meanRunMs.toFixed(3)} ms each`;
}

function counts(values: Readonly<Record<string, number>>): string {
  const found = Object.entries(values).filter(([, count]) => count > 0);
  return found.map(([name, count]) => `${name} ${formatCount(count)}`).join(", ") || "none";
}

/** Where a cluster has more than one node, each is named; a transform's are together. */
export function statusesText(statuses: readonly Status[]): string {
  const isNamed = new Set(statuses.map(({ node }) => node)).size > 1;
  const byId = Map.groupBy(statuses, ({ id }) => id);
  const all = [...byId.values()].flatMap((some) =>
    some.toSorted((a, b) => (a.node < b.node ? -1 : 1)),
  );
  return all.map((one) => statusText(one, isNamed)).join("\n\n");
}
