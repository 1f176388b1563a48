import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import type { Logger } from "../../ports.ts";
import { randomId } from "../epoch.ts";
import { nameHash } from "./keys.ts";
import type { Keys } from "./keys.ts";
import { messageOf } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";
import { endTurnScript, takeTurnScript } from "./turn-scripts.ts";

/** Whoever dies in its turn holds the others up for so long. */
const TURN_MS = 15_000;
const RENEW_MS = TURN_MS / 3;

export interface TurnsOptions {
  readonly home: Home;
  readonly keys: Keys;
  readonly logger: Logger;
}

/** Work that nodes do one at a time. */
export class Turns {
  readonly #options: TurnsOptions;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** @throws BrokerError overloaded while another node, or this one, does work of this name */
  async take<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const key = this.#options.keys.home(`turn:${nameHash(name)}`);
    const token = randomId(16);
    if (!(await this.#hold(key, token))) {
      throw new BrokerError(Code.overloaded, "another change of it is under way", {
        retryAfterMs: 1000,
      });
    }
    const renewing = setInterval(() => void this.#hold(key, token), RENEW_MS);
    try {
      return await work();
    } finally {
      clearInterval(renewing);
      await this.#end(key, token);
    }
  }

  /** False when somebody else holds it. Without Redis others cannot be asked to do anything either. */
  async #hold(key: string, token: string): Promise<boolean> {
    try {
      return (await this.#options.home.run(takeTurnScript, [key], [token, `${TURN_MS}`])) !== 0;
    } catch (error) {
      this.#options.logger.log("warn", "turn_not_taken", { error: messageOf(error) });
      return true;
    }
  }

  async #end(key: string, token: string): Promise<void> {
    try {
      await this.#options.home.run(endTurnScript, [key], [token]);
    } catch (error) {
      // It ends by itself.
      this.#options.logger.log("debug", "turn_not_ended", { error: messageOf(error) });
    }
  }
}
