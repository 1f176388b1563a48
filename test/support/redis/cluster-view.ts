/** One node as another, or itself, describes it in CLUSTER NODES. */
export interface ClusterNode {
  readonly id: string;
  readonly port: number;
  readonly isMyself: boolean;
  readonly isMaster: boolean;
  /** Suspected or declared dead, or not met properly yet. */
  readonly isDoubtful: boolean;
  readonly isConnected: boolean;
  /** Of a replica: the id of its master. */
  readonly masterId: string | undefined;
  readonly configEpoch: number;
  /** First and last slot of each range, both included. */
  readonly slotRanges: readonly (readonly [number, number])[];
}

/**
 * Reads the reply to CLUSTER NODES, one node a line:
 * ```
 * <id> <ip:port@busport[,host]> <flags> <master id or -> <ping> <pong> <config epoch> <link> <slots ...>
 * ```
 * A slot is `5`, `0-99`, or `[93-<-id]` while it moves.
 */
export function parseClusterNodes(text: string): ClusterNode[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [id = "", address = "", flagList = "", masterId, , , epoch, link, ...slots] =
      line.split(" ");
    const flags = new Set(flagList.split(","));
    return {
      id,
      port: Number(/:(\d+)@/.exec(address)?.[1]),
      isMyself: flags.has("myself"),
      isMaster: flags.has("master"),
      isDoubtful: ["fail?", "fail", "handshake", "noaddr"].some((flag) => flags.has(flag)),
      isConnected: link === "connected",
      masterId: masterId === "-" ? undefined : masterId,
      configEpoch: Number(epoch),
      slotRanges: slots.filter((slot) => !slot.startsWith("[")).map((slot) => rangeOf(slot)),
    };
  });
}

export function ownsSlot(node: ClusterNode, slot: number): boolean {
  return node.slotRanges.some(([first, last]) => first <= slot && slot <= last);
}

/** What two nodes must agree on: who is whose replica, and who owns which slots. */
export function layoutOf(nodes: readonly ClusterNode[]): string {
  const lines = nodes
    .filter(({ isDoubtful }) => !isDoubtful)
    .map(({ id, masterId, slotRanges }) => `${id} ${masterId ?? ""} ${slotRanges.join(" ")}`);
  return lines.toSorted().join("\n");
}

function rangeOf(slot: string): [number, number] {
  const [first = "", last = first] = slot.split("-");
  return [Number(first), Number(last)];
}
