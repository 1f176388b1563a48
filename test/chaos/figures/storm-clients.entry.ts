// Clients of one channel in a process of their own: they subscribe, and once their broker is gone they all come to
// another at once, as fast as they can, and recover.

import { Connection } from "../../../bench/load/connection.ts";
import { TickwireReader } from "../../../bench/load/tickwire-reader.ts";
import { encodeBinary } from "../../../protocol/binary-codec.ts";
import type { Frame } from "../../../protocol/frame.ts";
import { encodeConnect } from "../../../protocol/messages/connect.ts";
import { decodeSubscribedResult, encodeSubscribe } from "../../../protocol/messages/subscribe.ts";
import type { RecoverFrom } from "../../../protocol/messages/subscribe.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL_MSGPACK } from "../../../protocol/version.ts";
import type { StormOrder, StormReport } from "./storm-messages.ts";

/** Connections that are made at the same time before the storm, which is not what is measured. */
const JOINING_AT_ONCE = 100;
const RETRY_MS = 20;

class StormClient {
  readonly #channel: string;
  #epoch = "";
  #offset = 0;
  #isDown = Promise.withResolvers<void>();
  #progress = Promise.withResolvers<void>();
  skipped = 0;

  constructor(channel: string) {
    this.#channel = channel;
  }

  /** Resolves when its connection is lost. */
  get down(): Promise<void> {
    return this.#isDown.promise;
  }

  async join(port: number): Promise<void> {
    const result = await this.#subscribe(port, { type: "none" });
    this.#epoch = result.epoch;
    this.#offset = result.offset;
  }

  /** Comes back, and resolves once all that was missed has been received; false when something was lost. */
  async recover(port: number): Promise<boolean> {
    for (;;) {
      try {
        const position = { epoch: this.#epoch, offset: this.#offset };
        const { recovered, offset } = await this.#subscribe(port, { type: "position", position });
        while (this.#offset < offset) {
          this.#progress = Promise.withResolvers<void>();
          await this.#progress.promise;
        }
        return recovered && this.skipped === 0;
      } catch {
        await Bun.sleep(RETRY_MS);
      }
    }
  }

  async #subscribe(port: number, recover: RecoverFrom) {
    this.#isDown = Promise.withResolvers<void>();
    const reader = new TickwireReader({
      deliver: (_bytes, _start, _end, offset) => this.#received(offset),
      readEnded: () => {},
      failed: () => this.#isDown.resolve(),
    });
    const address = { hostname: "127.0.0.1", port, path: "/", subprotocol: SUBPROTOCOL_MSGPACK };
    const connection = await Connection.open(address, reader);
    const ask = (frame: Frame): Promise<unknown> => {
      const reply = reader.nextReply();
      connection.send(encodeBinary(frame));
      return reply;
    };
    await ask(encodeConnect({ id: 1, version: PROTOCOL_VERSION, token: null, client: null }));
    const command = { id: 2, channel: this.#channel, recover, flags: 0 };
    return decodeSubscribedResult(await ask(encodeSubscribe(command)));
  }

  #received(offset: number): void {
    // Before the subscription is confirmed nothing is missed.
    if (this.#offset > 0 && offset > this.#offset + 1) this.skipped++;
    this.#offset = Math.max(this.#offset, offset);
    this.#progress.resolve();
  }
}

function report(message: StormReport): void {
  process.send?.(message);
}

async function storm({ ports, count, channel }: StormOrder): Promise<void> {
  const [first, second] = ports;
  const clients = Array.from({ length: count }, () => new StormClient(channel));
  for (let i = 0; i < count; i += JOINING_AT_ONCE) {
    await Promise.all(clients.slice(i, i + JOINING_AT_ONCE).map((client) => client.join(first)));
  }
  report({ type: "joined" });
  const atMs: number[] = [];
  let lost = 0;
  await Promise.all(
    clients.map(async (client) => {
      await client.down;
      if (!(await client.recover(second))) lost++;
      atMs.push(Date.now());
    }),
  );
  report({ type: "recovered", atMs, lost });
}

process.on("message", (order: StormOrder) => void storm(order));
