import { afterAll, beforeAll, expect, test } from "bun:test";

import type { ConfigInput } from "../../../broker/config/config.ts";
import { startNode } from "../../chaos/chaos-node.ts";
import type { ChaosNode } from "../../chaos/chaos-node.ts";
import { ChaosRound } from "../../chaos/chaos-round.ts";
import type { RoundFigures } from "../../chaos/chaos-round.ts";
import { NO_VIOLATIONS, violationsOf } from "../../chaos/delivery-checker.ts";
import { NEMESES } from "../../chaos/nemeses.ts";
import type { NemesisName } from "../../chaos/nemeses.ts";
import { startTopology } from "../../chaos/redis-topology.ts";
import type { RedisTopology, TopologyName } from "../../chaos/redis-topology.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";

const START_LIMIT_MS = 60_000;
const TEST_LIMIT_MS = 90_000;

/** More than comes while a fault lasts, so that a break must be told only where Redis lost something. */
const CONFIG: ConfigInput = { historySize: 5000 };

export interface FaultCase {
  readonly nemesis: NemesisName;
  /** What is promised; said after "nothing is lost unsaid, doubled or inverted and". */
  readonly name?: string;
  /** Which server, slot or broker is hit. */
  readonly target?: number;
  /** The fault lasts until the broker that is hit has logged this; else for some publications. */
  readonly until?: string;
  readonly check?: (figures: RoundFigures) => void;
}

/** Nobody had to be told of a break. */
export function unbroken({ resynced, lost, rolledBack }: RoundFigures): void {
  expect({ resynced, lost, rolledBack }).toEqual({ resynced: 0, lost: 0, rolledBack: 0 });
}

/**
 * Two brokers over real servers, publishers and subscribers on both, one fault at a time. The whole log of
 * what was acknowledged and delivered is held against the promises.
 */
export function faultSuite(
  name: TopologyName,
  cases: readonly FaultCase[],
  options: {
    readonly appendonly?: boolean;
    readonly title?: string;
    readonly config?: ConfigInput;
  } = {},
): void {
  const { appendonly = false, title = name } = options;
  const config = { ...CONFIG, ...options.config };
  describeWithRedis(`two brokers over ${title}`, () => {
    const owned = new AsyncDisposableStack();
    let topology: RedisTopology;
    let nodes: [ChaosNode, ChaosNode];

    beforeAll(async () => {
      topology = owned.use(await startTopology(name, { appendonly }));
      const first = owned.use(await startNode("first", { ...config, ...topology.config(0) }));
      const second = owned.use(await startNode("second", { ...config, ...topology.config(1) }));
      nodes = [first, second];
    }, START_LIMIT_MS);
    afterAll(() => owned.disposeAsync(), START_LIMIT_MS);

    for (const { nemesis, name: promise, target = 0, until, check } of cases) {
      test(
        `${nemesis}: nothing is lost unsaid, doubled or inverted${promise === undefined ? "" : `, and ${promise}`}`,
        async () => {
          using round = await ChaosRound.start({ nodes });
          const sinceMs = performance.now();
          const hold = async (): Promise<void> => {
            if (until === undefined) await round.sent(100);
            else await round.logged(target % nodes.length, until, sinceMs);
          };
          await NEMESES[nemesis].run({ topology, round, target, hold });
          await round.acked(50);
          const figures = await round.finish();
          expect({ ...violationsOf(figures), examples: figures.examples }).toEqual({
            ...NO_VIOLATIONS,
            examples: [],
          });
          expect(figures.acked).toBeGreaterThan(100);
          expect(figures.isWholeByItself).toBe(true);
          expect(figures.delivered).toBeGreaterThan(100);
          check?.(figures);
        },
        TEST_LIMIT_MS,
      );
    }
  });
}
