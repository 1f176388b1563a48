/** Between two looks. Short beside what Redis takes for anything worth waiting for, long beside a look. */
const POLL_MS = 10;
/** The slowest thing waited for, a failover, takes a few seconds; on a busy machine some more. */
const DEFAULT_LIMIT_MS = 25_000;

export interface WaitOptions {
  readonly limitMs?: number;
  /** Added to the error when the wait was in vain: what the processes said. */
  readonly describe?: () => string;
}

/**
 * Resolves as soon as the condition holds. A server that restarts or hands over refuses commands, so a
 * condition that throws counts as one that does not hold yet.
 *
 * @param what completes the sentence "waited in vain until ..."
 * @throws after the limit, with the last error of the condition as the cause
 */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { limitMs = DEFAULT_LIMIT_MS, describe = () => "" }: WaitOptions = {},
): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  let lastError: unknown;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > deadlineMs) {
      throw new Error(`waited in vain until ${what}\n${describe()}`, { cause: lastError });
    }
    await Bun.sleep(POLL_MS);
  }
}
