import { availableParallelism, loadavg } from "node:os";

import { deadSubscribersFound, gapsHealed } from "./detection.ts";
import { publishingBack } from "./failover.ts";
import { figureLine, isHeld } from "./figure.ts";
import type { Figure } from "./figure.ts";
import { reconnectStorm } from "./storm.ts";

/** Measures how long things take that are promised, on this machine; false when a target is missed. */
export async function measureFigures(print: (text: string) => void): Promise<boolean> {
  const parts: (() => Promise<readonly Figure[]>)[] = [
    async () => [await gapsHealed()],
    async () => [await deadSubscribersFound()],
    () => publishingBack("sentinel"),
    () => publishingBack("cluster"),
    () => reconnectStorm(print),
  ];
  const [load = 0] = loadavg();
  print(`${availableParallelism()} cores, load average ${load.toFixed(1)}, Bun ${Bun.version}`);
  let areHeld = true;
  for (const measure of parts) {
    for (const figure of await measure()) {
      print(figureLine(figure));
      areHeld &&= isHeld(figure);
    }
  }
  return areHeld;
}
