/** The stages of a publication's way; each is one span of its trace. */
export type TraceStage =
  | "ingest"
  | "transform"
  | "transform.run"
  | "bus.publish"
  | "bus.receive"
  | "fanout"
  | "deliver"
  | "deliver.late";

/**
 * The span id of a stage: 16 hex digits, never all zero. It follows from what every node knows, so parts of a
 * trace that were made on different nodes fit together without an id on the wire, and a stage that was told
 * twice is recognised.
 *
 * @param node where the stage took place
 * @param connection of the subscriber, for `deliver`
 */
export function spanIdOf(
  traceId: string,
  stage: TraceStage,
  node: string,
  connection = "",
): string {
  const text = `${traceId} ${stage} ${node} ${connection}`;
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x9e3779b1);
    low = Math.imul(low ^ unit, 0x5bd1e995) ^ (high >>> 15);
  }
  const mixedHigh = mix(high ^ Math.imul(low, 0x27d4eb2f));
  const mixedLow = mix(low ^ mixedHigh);
  const id = hex8(mixedHigh) + hex8(mixedLow);
  return id === "0000000000000000" ? "0000000000000001" : id;
}

/** Every bit of the input changes every bit of the output with a chance of one half. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function hex8(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
