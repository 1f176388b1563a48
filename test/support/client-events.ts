import { TickwireError } from "../../client/errors.ts";

interface Source<Events> {
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void;
}

/** The next event of this name. */
export function once<Events, Name extends keyof Events>(
  source: Source<Events>,
  name: Name,
): Promise<Events[Name]> {
  return new Promise((resolve) => {
    const off = source.on(name, (event) => {
      off();
      resolve(event);
    });
  });
}

/** Events of this name, as they come. */
export function collect<Events, Name extends keyof Events>(
  source: Source<Events>,
  name: Name,
): Events[Name][] {
  const events: Events[Name][] = [];
  source.on(name, (event) => events.push(event));
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
