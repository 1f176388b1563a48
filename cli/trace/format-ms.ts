import { formatDuration } from "../format.ts";

/** "0.04 ms", "3.1 ms", "152 ms", "1.25 s". */
export function formatMs(ms: number): string {
  if (ms === 0) return "0 ms";
  return ms < 1 ? `${ms.toFixed(2)} ms` : formatDuration(ms);
}
