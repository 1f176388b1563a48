/** What was measured of one promise. */
export interface Figure {
  readonly name: string;
  /** How often and how it was measured, in a few words. */
  readonly how: string;
  readonly samples: readonly number[];
  readonly unit: "ms" | "reads";
  /** What the highest sample may be; of `targetOf`, the median. */
  readonly target: number;
  readonly targetOf?: "median";
}

export function isHeld({ samples, target, targetOf }: Figure): boolean {
  return samples.length > 0 && at(samples, targetOf === "median" ? 0.5 : 1) <= target;
}

export function figureLine(figure: Figure): string {
  const { name, how, samples, unit, target, targetOf = "highest" } = figure;
  if (samples.length === 0) return `${name}: nothing was measured`;
  const [low, median, high] = [0, 0.5, 1].map((share) => at(samples, share).toFixed(digits(unit)));
  const spread = samples.length === 1 ? `${high}` : `median ${median}, ${low} to ${high}`;
  const verdict = isHeld(figure) ? "held" : "MISSED";
  const count = samples.length === 1 ? "once" : `${samples.length} times`;
  return `${name}: ${spread} ${unit} (${count}; ${how}); target, ${targetOf}: ${target} ${unit}, ${verdict}`;
}

function digits(unit: Figure["unit"]): number {
  return unit === "ms" ? 1 : 0;
}

/** The sample below which this share of them lies. */
function at(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * (sorted.length - 1))] as number;
}
