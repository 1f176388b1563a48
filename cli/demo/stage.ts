import type { TickwireClient } from "../../client/index.ts";
import { openConnection } from "../connection.ts";
import type { Feed } from "./feed.ts";
import { Player } from "./player.ts";
import { SendLog } from "./send-log.ts";
import { connectionTo, Watcher } from "./watcher.ts";

/** The slow subscriber reads this long, and then does not, ms. */
const SLOW_READS_MS = 100;
const SLOW_PAUSES_MS = 1500;
const CUT_EVERY_MS = 4000;
/** For what is under way when the feed has ended, ms. */
const CATCH_UP_MS = 5000;

/** Everybody who connects to the broker: the publisher and four subscribers with habits of their own. */
export class Stage implements AsyncDisposable {
  readonly log: SendLog;
  readonly player: Player;
  readonly watchers: readonly Watcher[];
  readonly #publisher: TickwireClient;
  readonly #slow: Watcher;
  readonly #timers: readonly ReturnType<typeof setInterval>[];
  readonly #played: Promise<void>;

  private constructor(
    publisher: TickwireClient,
    feed: Feed,
    log: SendLog,
    [exact, pattern, slow, cut]: readonly [Watcher, Watcher, Watcher, Watcher],
  ) {
    this.log = log;
    this.watchers = [exact, pattern, slow, cut];
    this.player = new Player(publisher, feed, log);
    this.#publisher = publisher;
    this.#slow = slow;
    this.#timers = [
      setInterval(() => readSlowly(slow), SLOW_READS_MS + SLOW_PAUSES_MS),
      setInterval(() => cut.cut(), CUT_EVERY_MS),
    ];
    this.#played = this.player.play();
  }

  /** Connects everybody and begins to publish. @throws CliError */
  static async open(url: string, feed: Feed): Promise<Stage> {
    const log = new SendLog();
    const { client } = await openConnection(connectionTo(url));
    const [busiest = "", second = busiest] = feed.channels;
    const watchers = await Promise.all([
      Watcher.start({ name: "exact", listensTo: busiest, url, log }),
      Watcher.start({ name: "pattern", listensTo: "market.>", url, log }),
      Watcher.start({ name: "slow", listensTo: busiest, url, log }),
      Watcher.start({ name: "reconnecting", listensTo: second, url, log }),
    ]);
    return new Stage(client, feed, log, watchers);
  }

  /** Whether every subscriber got everything once. */
  get isWhole(): boolean {
    return this.watchers.every(({ lost, doubled }) => lost + doubled === 0);
  }

  /** Publishes nothing more, and lets everybody read as fast as they can. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.player.stop();
    await this.#played;
    this.#slow.resume();
  }

  /** Resolves when every subscriber has everything, or the time for that is over. */
  async caughtUp(): Promise<void> {
    const deadlineMs = performance.now() + CATCH_UP_MS;
    while (this.watchers.some(({ behind }) => behind > 0) && performance.now() < deadlineMs) {
      await Bun.sleep(10);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Promise.all(this.watchers.map((watcher) => watcher[Symbol.asyncDispose]()));
    await this.#publisher.close();
  }
}

function readSlowly(slow: Watcher): void {
  slow.pause();
  setTimeout(() => slow.resume(), SLOW_PAUSES_MS);
}
