import { describe, expect, test } from "bun:test";

import { BrokerError } from "../../../broker/api.ts";
import type { Channel } from "../../../broker/channels/channel.ts";
import { MAIN_PLACE, Ticket } from "../../../broker/transforms/ticket.ts";
import { Code } from "../../../protocol/codes.ts";
import { PlainNode } from "../../support/plain-node.ts";

/** What the publisher heard, and how often the ticket ended. */
class Heard {
  readonly replies: (readonly [number, string])[] = [];
  endCount = 0;
  readonly ticket: Ticket;

  constructor(channel: Channel) {
    this.ticket = new Ticket({
      host: { ended: () => this.endCount++ },
      channel,
      publisher: {
        transformPending: 0,
        published: (id, offset, epoch) => this.replies.push([id, `${offset} ${epoch}`]),
        publishFailed: (id, error) => this.replies.push([id, error.info.name]),
      },
      requestId: 7,
      publicationId: null,
      meta: null,
      bytes: 1,
    });
  }
}

function heard(): Heard {
  return new Heard(new PlainNode().hub.open("a"));
}

const unavailable = new BrokerError(Code.unavailable);

describe("the publisher hears exactly once", () => {
  test("nothing before everything that was asked for has its place", () => {
    const one = heard();
    const { ticket } = one;
    for (let i = 0; i < 3; i++) ticket.expect();
    ticket.published(MAIN_PLACE + 2, 9, "other");
    ticket.published(MAIN_PLACE, 5, "epoch");
    ticket.published(MAIN_PLACE + 1, 8, "other");
    // More could still be asked for.
    expect(one.replies).toEqual([]);
    ticket.seal();
    expect(one.replies).toEqual([[7, "5 epoch"]]);
    expect(one.endCount).toBe(1);
  });

  test("offset 0 when there was nothing to publish", () => {
    const one = heard();
    one.ticket.seal();
    expect(one.replies).toEqual([[7, "0 "]]);
  });

  test("the error itself when nothing was stored", () => {
    const one = heard();
    const { ticket } = one;
    ticket.expect();
    ticket.expect();
    ticket.seal();
    ticket.publishFailed(MAIN_PLACE, unavailable);
    expect(one.replies).toEqual([]);
    ticket.publishFailed(MAIN_PLACE + 1, new BrokerError(Code.internal));
    expect(one.replies).toEqual([[7, "unavailable"]]);
    expect(one.endCount).toBe(1);
  });

  test("that it is not known when a part was stored", () => {
    const one = heard();
    const { ticket } = one;
    ticket.expect();
    ticket.expect();
    ticket.seal();
    ticket.published(MAIN_PLACE, 5, "epoch");
    ticket.publishFailed(MAIN_PLACE + 1, unavailable);
    expect(one.replies).toEqual([[7, "publish_unknown"]]);
  });

  test("a failure that comes first ends it, whatever is answered later", () => {
    const one = heard();
    const { ticket } = one;
    ticket.expect();
    ticket.fail(unavailable);
    ticket.published(MAIN_PLACE, 5, "epoch");
    ticket.seal();
    ticket.fail(unavailable);
    expect(one.replies).toEqual([[7, "unavailable"]]);
    expect(one.endCount).toBe(1);
  });
});
