import type { BrokerContext } from "../context.ts";

/** Counts that a client reported a delivery [P-6.10]. */
export function receipt(context: BrokerContext): void {
  context.stats.receipts++;
}
