import { BareDialect } from "./bare-dialect.ts";
import type { Connection } from "./connection.ts";
import { KEEP_ALIVE_MS } from "./dialect.ts";
import type { Dialect } from "./dialect.ts";
import type { LoadJob } from "./job.ts";
import { newPayload } from "./payload.ts";
import { Publisher } from "./publisher.ts";
import { addFaults, noFaults } from "./sequence-checker.ts";
import type { Faults } from "./sequence-checker.ts";
import { Subscriber } from "./subscriber.ts";
import type { DeliverySink } from "./subscriber.ts";
import { TickwireDialect } from "./tickwire-dialect.ts";

/** Connections opened at a time: a listen backlog is finite. */
const OPENING_AT_ONCE = 64;

/** Messages laid out per publisher, the most one write takes. */
const MAX_MESSAGES = 256;

/** All connections of one cell. */
export class Fleet implements AsyncDisposable {
  readonly publishers: Publisher[] = [];
  readonly #publishDialect: Dialect;
  readonly #subscribeDialect: Dialect;
  readonly #job: LoadJob;
  readonly #publishing: Connection[] = [];
  readonly #subscribing: Connection[] = [];
  /** Subscribers of publisher i: one list each. */
  readonly #subscribers: Subscriber[][] = [];
  #keepAlive: Timer | null = null;

  private constructor(job: LoadJob) {
    this.#job = job;
    this.#publishDialect = createDialect(job, job);
    this.#subscribeDialect =
      job.subscribeAt === null ? this.#publishDialect : createDialect(job, job.subscribeAt);
  }

  static async open(job: LoadJob, sink: DeliverySink): Promise<Fleet> {
    const fleet = new Fleet(job);
    try {
      for (let i = 0; i < job.publishers; i++) await fleet.#openChannel(i, sink);
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    fleet.#startKeepAlive();
    return fleet;
  }

  /**
   * Resolves when the server has handled everything that was published so far, and everything it had by
   * then sent to the subscribers has arrived.
   */
  async fence(): Promise<void> {
    await Promise.all(this.#publishing.map((connection) => connection.fence()));
    await Promise.all(this.#subscribing.map((connection) => connection.fence()));
  }

  /** What went wrong, once nothing more is on its way. */
  faults(): Faults {
    let faults = noFaults;
    for (const [i, subscribers] of this.#subscribers.entries()) {
      const sent = this.publishers[i]?.sent ?? 0;
      for (const subscriber of subscribers) faults = addFaults(faults, subscriber.finish(sent));
    }
    return faults;
  }

  /** Deliveries that all publications sent so far amount to. */
  expectedDeliveries(): number {
    const sent = this.publishers.reduce((sum, publisher) => sum + publisher.sent, 0);
    return sent * this.#job.subscribersPerChannel;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#keepAlive !== null) clearInterval(this.#keepAlive);
    for (const connection of this.#publishing) connection.close();
    for (const connection of this.#subscribing) connection.close();
  }

  async #openChannel(index: number, sink: DeliverySink): Promise<void> {
    const { subscribersPerChannel, payloadBytes, framesPerMessage } = this.#job;
    const channel = `bench.channel.${index}`;
    const subscribers = Array.from(
      { length: subscribersPerChannel },
      (_, i) => new Subscriber(index, i, payloadBytes, sink),
    );
    this.#subscribers.push(subscribers);
    for (let at = 0; at < subscribers.length; at += OPENING_AT_ONCE) {
      const group = subscribers.slice(at, at + OPENING_AT_ONCE);
      const opened = await Promise.all(
        group.map((one) => this.#subscribeDialect.subscribe(channel, one)),
      );
      this.#subscribing.push(...opened);
    }
    const connection = await this.#publishDialect.openPublisher(channel, (error) =>
      sink.failed(error),
    );
    this.#publishing.push(connection);
    this.publishers.push(
      new Publisher(connection, {
        frame: this.#publishDialect.publicationFrame(channel, newPayload(index, payloadBytes)),
        payloadBytes,
        framesPerMessage,
        maxMessages: MAX_MESSAGES,
      }),
    );
  }

  #startKeepAlive(): void {
    const { keepAlive } = this.#publishDialect;
    if (keepAlive === null) return;
    this.#keepAlive = setInterval(() => {
      for (const connection of [...this.#publishing, ...this.#subscribing])
        connection.send(keepAlive);
    }, KEEP_ALIVE_MS);
  }
}

function createDialect(
  { dialect, access }: LoadJob,
  { hostname, port }: { readonly hostname: string; readonly port: number },
): Dialect {
  return dialect === "bare"
    ? new BareDialect(hostname, port)
    : new TickwireDialect(hostname, port, access);
}
