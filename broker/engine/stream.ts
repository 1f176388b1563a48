import type { PresenceMember } from "../../protocol/messages/presence.ts";
import type { NamespaceOptions } from "../channels/namespace.ts";
import type { TracedPublication } from "../tracing/delivery-stamp.ts";
import type { BatchArrival } from "../tracing/flight-recorder.ts";
import type { PublicationLog } from "./publication-log.ts";

/** Who on this node wants to know what happens on a stream; the hub's channel. */
export interface StreamListener {
  /** Take what is pending now: it would be split by what comes next. */
  mustTake(): void;
  /** Called after each append. */
  appended(): void;
  /** The publication appended last is traced; called after `appended`. */
  tracedAppended?(publication: TracedPublication): void;
  /** The epoch is another, but not a publication is missing: offsets go on. */
  epochChanged(): void;
  /** Publications are missing that cannot be had: `epoch` and `log` have been replaced. */
  reset(): void;
  /** A connection entered or left the channel's presence, here or on another node. */
  presenceChanged(type: "join" | "leave", member: PresenceMember): void;
}

/** One channel's stream on this node. Engines make them, fill their logs and call their listener. */
export interface Stream {
  readonly name: string;
  /** Number that stands for the channel on this node's connections; never used again for another. */
  readonly id: number;
  readonly options: NamespaceOptions;
  epoch: string;
  /** The epoch before this one, and the offset up to which both hold the same publications. */
  parent: { readonly epoch: string; readonly forkOffset: number } | null;
  log: PublicationLog;
  listener: StreamListener | null;
  /** Where the oldest pending publication came from, when it was not published on this node alone. */
  arrival: BatchArrival | null;
}
