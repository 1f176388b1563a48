/** Runs of one measurement; the fastest counts, since everything that disturbs only adds. */
const RUNS = 9;
const RUN_MS = 10;

/**
 * The cost of one call, ns. `body(n)` makes n calls and returns something that depends on what they did, so
 * that the compiler cannot drop them. Finding out how many calls fill a run is the warm-up as well.
 */
export function nsPerCall(body: (calls: number) => number): number {
  const calls = calibrate(body);
  let fastest = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) fastest = Math.min(fastest, timed(body, calls) / calls);
  return fastest;
}

function calibrate(body: (calls: number) => number): number {
  for (let calls = 1024; ; calls *= 2) {
    if (timed(body, calls) > RUN_MS * 1e6) return calls;
  }
}

function timed(body: (calls: number) => number, calls: number): number {
  const startNs = Bun.nanoseconds();
  const result = body(calls);
  const tookNs = Bun.nanoseconds() - startNs;
  // Reading the result is what keeps the work alive.
  if (Number.isNaN(result)) throw new Error("a benchmark body returned NaN");
  return tookNs;
}

/**
 * Measures each contender in a process of its own, because in one process the first would shape the
 * machine code of the next. Returns the figures by name; a child prints its own and ends.
 */
export async function isolated<Contender, Figures>(
  script: string,
  contenders: Readonly<Record<string, Contender>>,
  measure: (contender: Contender) => Figures | Promise<Figures>,
): Promise<Record<string, Figures>> {
  const only = process.argv[2];
  if (only !== undefined) {
    const contender = contenders[only];
    if (contender === undefined) throw new Error(`no contender ${only}`);
    await Bun.write(Bun.stdout, JSON.stringify(await measure(contender)));
    // Whatever the contender left open must not keep the parent waiting.
    process.exit(0);
  }
  const figures: Record<string, Figures> = {};
  for (const name of Object.keys(contenders)) {
    const child = Bun.spawnSync([process.execPath, script, name], { stderr: "inherit" });
    figures[name] = JSON.parse(child.stdout.toString()) as Figures;
  }
  return figures;
}
