import { Code } from "../protocol/codes.ts";
import type { Session } from "./sessions/session.ts";

/** How long it sleeps at most between looks, ms. */
const LOOK_MS = 20;

export interface DrainOptions {
  readonly sessions: readonly Session[];
  /** Time over which sessions are closed; as long again for those that have not read all they were sent. */
  readonly windowMs: number;
  /** Lets what is pending leave, before a session is closed. */
  readonly flush: () => void;
  /** True when somebody has cut the drain short, or nobody is connected any more. */
  readonly isOver: () => boolean;
}

/**
 * Closes sessions evenly over the window, so that their clients do not all reconnect at once. A session that
 * is behind but reads gets its queue first: with an engine in memory nobody else could give it that. One whose
 * publications are in transforms gets their acknowledgements first.
 */
export async function drainSessions(options: DrainOptions): Promise<void> {
  const { sessions, windowMs, flush, isOver } = options;
  const startMs = performance.now();
  const behind: Session[] = [];
  for (const [index, session] of sessions.entries()) {
    await sleepUntil(startMs + (index * windowMs) / sessions.length, isOver);
    if (isOver()) return;
    flush();
    if (isOwed(session)) behind.push(session);
    else session.close(Code.drain);
  }
  const deadlineMs = startMs + 2 * windowMs;
  while (behind.length > 0 && performance.now() < deadlineMs && !isOver()) {
    for (const session of behind.splice(0)) {
      if (isOwed(session)) behind.push(session);
      else session.close(Code.drain);
    }
    if (behind.length > 0) await Bun.sleep(LOOK_MS);
  }
}

/** Whether something is on its way to it: bytes it has not read, or the outcome of what it published. */
function isOwed(session: Session): boolean {
  return session.outbound.hasQueue || session.transformPending > 0;
}

async function sleepUntil(dueMs: number, isOver: () => boolean): Promise<void> {
  for (let leftMs = dueMs - performance.now(); leftMs > 0 && !isOver();) {
    await Bun.sleep(Math.min(LOOK_MS, Math.max(1, leftMs)));
    leftMs = dueMs - performance.now();
  }
}
