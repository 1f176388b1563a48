import type { TickwireError } from "../../client/index.ts";

/** A publication that failed for good. */
export interface PublishFailure {
  /** Its number in the input, from 1; null when it is not known which it was. */
  readonly number: number | null;
  readonly error: TickwireError;
}

/** Publishes the lines of an input, in order. */
export interface LinePublisher {
  /** Publications that count as done, and their bytes. */
  readonly count: number;
  readonly bytes: number;
  /** The first that failed; nothing more is to be published once it is known. */
  readonly failure: PublishFailure | null;
  /** Whether `publish` may be called. */
  readonly hasRoom: boolean;
  /** Resolves when there is room, or a failure. */
  room(): Promise<void>;
  /** @param number of the publication in the input, from 1, ascending */
  publish(payload: Uint8Array, number: number): void;
  /** Resolves when nothing is under way any more. */
  finished(): Promise<void>;
}
