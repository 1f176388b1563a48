import type { TransformStatus } from "../ports.ts";

/**
 * Whether publications get through a transform's channels as the operator wants it: a transform that cannot run is
 * nobody's trouble where it may be passed by. One that was tripped by what it was given is no reason to move
 * clients elsewhere: they would bring it along.
 */
export function isServing({ state, onError }: TransformStatus): boolean {
  return onError === "pass" || (state !== "failed" && state !== "starting");
}
