import type { StreamPosition } from "../../protocol/position.ts";
import { DeliveryError } from "./history-checker.ts";
import { ProtocolClient, RefusedError } from "./protocol-client.ts";

/**
 * Follows one channel over connections that break, as [P-7.3] lets a client do: it resubscribes from its
 * position and believes what it is told, and checks on the way that nothing is lost unsaid, doubled or out
 * of order.
 */
export class RecoveringSubscriber {
  readonly #url: string;
  readonly #channel: string;
  readonly #format: "msgpack" | "json";
  position: StreamPosition | null = null;
  /** What was delivered, over all connections. */
  readonly seen: { readonly epoch: string; readonly offset: number; readonly text: string }[] = [];
  connectCount = 0;
  /** How often a position could be continued, and how often it was told that it could not. */
  recoveredCount = 0;
  readonly losses: { readonly from: StreamPosition; readonly to: StreamPosition }[] = [];
  /** Codes its connections closed with. */
  readonly closeCodes: number[] = [];

  constructor(url: string, channel: string, format: "msgpack" | "json" = "msgpack") {
    this.#url = url;
    this.#channel = channel;
    this.#format = format;
  }

  get offset(): number {
    return this.position?.offset ?? 0;
  }

  /**
   * Connects and reads until it is enough (true) or the connection ends (false).
   * @param onPublication is called after each publication
   */
  async follow(isEnough: () => boolean, onPublication: () => void = () => {}): Promise<boolean> {
    this.connectCount++;
    const client = new ProtocolClient(this.#url, { format: this.#format });
    try {
      await client.opened();
      await client.connect();
      const asked = this.position;
      const result = await client.subscribe(
        this.#channel,
        asked === null ? {} : { recover: asked },
      );
      if (result.recovered && result.epoch === asked?.epoch) this.recoveredCount++;
      else {
        const to = { epoch: result.epoch, offset: result.offset - result.count };
        if (asked !== null) this.losses.push({ from: asked, to });
        this.position = to;
      }
      await this.#read(client, isEnough, onPublication);
      return true;
    } catch (error) {
      if (client.closed === null || error instanceof DeliveryError) throw error;
      if (error instanceof RefusedError) throw error;
      this.closeCodes.push(client.closed.code);
      return false;
    } finally {
      client.terminate();
      await client.untilClosed();
    }
  }

  async #read(
    client: ProtocolClient,
    isEnough: () => boolean,
    onPublication: () => void,
  ): Promise<void> {
    let next = 0;
    for (;;) {
      while (next < client.publications.length) {
        const { offset, payload } = client.publications[next++] as {
          offset: number;
          payload: Uint8Array;
        };
        this.#take(offset, new TextDecoder().decode(payload));
        onPublication();
      }
      if (isEnough()) return;
      const known = next;
      await client.until(() => client.publications.length > known);
    }
  }

  #take(offset: number, text: string): void {
    const { epoch, offset: last } = this.position ?? { epoch: "", offset: 0 };
    if (offset !== last + 1) {
      throw new DeliveryError(`offset ${offset} after ${last}, and nothing was said about it`);
    }
    this.position = { epoch, offset };
    this.seen.push({ epoch, offset, text });
  }
}
