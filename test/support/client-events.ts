import type { TickwireClient } from "../../client/client.ts";
import { TickwireError } from "../../client/errors.ts";
import type { ClientEvents, Subscription, SubscriptionEvents } from "../../client/index.ts";

type ClientSource = Pick<TickwireClient, "on">;
type SubscriptionSource = Pick<Subscription, "on">;
/** Both as the implementations below see them. */
interface AnySource {
  on(name: string, listener: (event: unknown) => void): () => void;
}

/** The next event of this name. */
export function once<Name extends keyof ClientEvents>(
  source: ClientSource,
  name: Name,
): Promise<ClientEvents[Name]>;
export function once<Name extends keyof SubscriptionEvents>(
  source: SubscriptionSource,
  name: Name,
): Promise<SubscriptionEvents[Name]>;
export function once(source: ClientSource | SubscriptionSource, name: string): Promise<unknown> {
  return new Promise((resolve) => {
    const off = (source as AnySource).on(name, (event) => {
      off();
      resolve(event);
    });
  });
}

/** Events of this name, as they come. */
export function collect<Name extends keyof ClientEvents>(
  source: ClientSource,
  name: Name,
): ClientEvents[Name][];
export function collect<Name extends keyof SubscriptionEvents>(
  source: SubscriptionSource,
  name: Name,
): SubscriptionEvents[Name][];
export function collect(source: ClientSource | SubscriptionSource, name: string): unknown[] {
  const events: unknown[] = [];
  (source as AnySource).on(name, (event) => events.push(event));
  return events;
}

/** The TickwireError a promise is rejected with; it must be. */
export async function refusal(promise: Promise<unknown>): Promise<TickwireError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof TickwireError) return error;
    throw error;
  }
  throw new Error(`expected a rejection, got ${JSON.stringify(value)}`);
}

/** The TickwireError a function throws; it must. */
export function thrown(call: () => unknown): TickwireError {
  try {
    call();
  } catch (error) {
    if (error instanceof TickwireError) return error;
    throw error;
  }
  throw new Error("expected an exception");
}
