/** Durations and sizes as people write them. */

const MS_PER: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const BYTES_PER: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

const QUANTITY = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/;

function quantity(text: string, factors: Readonly<Record<string, number>>): number | null {
  const match = QUANTITY.exec(text.trim());
  const factor = Object.hasOwn(factors, match?.[2] ?? "") ? factors[match?.[2] ?? ""] : undefined;
  return factor === undefined ? null : Number(match?.[1]) * factor;
}

/** "250ms", "10s", "5m", "1h", "2d" in ms; null for anything else. */
export function parseDurationMs(text: string): number | null {
  return quantity(text, MS_PER);
}

/** "512B", "64KiB", "4MiB", "1GiB" (and decimal KB, MB, GB) in bytes; null for anything else. */
export function parseSizeBytes(text: string): number | null {
  return quantity(text, BYTES_PER);
}

/** 65536 as "64 KiB"; sizes that are not a whole number of KiB stay bytes. */
export function formatBytes(bytes: number): string {
  if (bytes === 0) return "0";
  for (const unit of ["GiB", "MiB", "KiB"] as const) {
    const factor = BYTES_PER[unit] as number;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor} ${unit}`;
  }
  return `${bytes} B`;
}

/** 300000 as "5 min"; durations that are not a whole number of seconds stay ms. */
export function formatMs(ms: number): string {
  if (ms === 0) return "0";
  const named = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "min"],
    [1000, "s"],
  ] as const;
  for (const [factor, unit] of named) {
    if (ms >= factor && ms % factor === 0) return `${ms / factor} ${unit}`;
  }
  return `${ms} ms`;
}
