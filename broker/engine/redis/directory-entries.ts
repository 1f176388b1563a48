import type { LocalDirectory } from "../../cluster/directory.ts";
import type { Session } from "../../sessions/session.ts";
import { Admission } from "./directory-admission.ts";
import type { Place } from "./directory-admission.ts";
import type { ListEntry } from "./directory-list.ts";

const UINT32_BOUND = 2 ** 32;

/** A connection as others see it; null when there is no such connection (any more). */
export function connectionEntry(local: LocalDirectory, place: Place | undefined): ListEntry | null {
  if (place === undefined) return null;
  const { session, user } = place;
  const text = JSON.stringify(local.summary(session, user));
  return { fingerprint: fingerprintOf(session), alias: Admission.alias(place), text };
}

/** What of a connection changes: its subscriptions and its queue. */
function fingerprintOf({ subscriptions, outbound }: Session): number {
  return subscriptions.size * UINT32_BOUND + Math.min(outbound.queuedBytes, UINT32_BOUND - 1);
}

/** Of all connections. */
export function* fingerprints(
  places: ReadonlyMap<string, Place>,
): Generator<readonly [string, number]> {
  for (const [id, { session }] of places) yield [id, fingerprintOf(session)];
}

/** A channel, with its number of subscribers; null when there is no such channel. */
export function channelEntry(subscribers: number | null): ListEntry | null {
  if (subscribers === null) return null;
  return { fingerprint: subscribers, alias: "", text: String(subscribers) };
}

/** Of all channels. */
export function* subscriberCounts(local: LocalDirectory): Generator<readonly [string, number]> {
  for (const name of local.channelNames()) yield [name, local.subscriberCount(name) ?? 0];
}
