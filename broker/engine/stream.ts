import type { PresenceMember } from "../../protocol/messages/presence.ts";
import type { NamespaceOptions } from "../namespace.ts";
import type { PublicationLog } from "./publication-log.ts";

/** Who on this node wants to know what happens on a stream; the hub's channel. */
export interface StreamListener {
  /** Called before an append that would split what is pending: take it now. */
  mustTake(): void;
  /** Called after each append. */
  appended(): void;
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
  log: PublicationLog;
  listener: StreamListener | null;
}
