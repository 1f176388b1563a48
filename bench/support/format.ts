import type { Spread } from "./stats.ts";

/** A figure, or a dash where there is none. */
export function optional(value: number | null, show: (value: number) => string): string {
  return value === null ? "-" : show(value);
}

export function middle(value: Spread | null): string {
  return optional(value?.median ?? null, number);
}

export function range(value: Spread | null, show: (value: number) => string): string {
  if (value === null) return "-";
  return `${show(value.median)} (${show(value.min)}-${show(value.max)})`;
}

/** Three significant digits. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function rate(perSecond: number): string {
  if (perSecond >= 1e6) return `${(perSecond / 1e6).toFixed(2)} M`;
  return perSecond >= 1e3 ? `${(perSecond / 1e3).toFixed(1)} k` : perSecond.toFixed(0);
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
