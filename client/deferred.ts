/** A promise with its two ends. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** A rejection nobody awaits is no uncaught one: whoever asks later still gets it. */
export function deferred<T>(): Deferred<T> {
  const ends = {} as Pick<Deferred<T>, "resolve" | "reject">;
  const promise = new Promise<T>((resolve, reject) => Object.assign(ends, { resolve, reject }));
  promise.catch(() => {});
  return { promise, ...ends };
}
