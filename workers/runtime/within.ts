import { TransformLoadError } from "../boundary/fault.ts";

/**
 * What the promise settles to, or a rejection when it takes longer. The promise goes on; nothing hears of it.
 * @throws TransformLoadError `timeout`
 */
export async function within<Value>(
  timeoutMs: number,
  promise: Value | Promise<Value>,
  what: string,
): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new TransformLoadError("timeout", `${what} took longer than ${timeoutMs} ms`));
  }, timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
