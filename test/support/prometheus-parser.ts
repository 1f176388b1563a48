export interface PrometheusSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface PrometheusFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly PrometheusSample[];
}

const NAME = String.raw`[a-zA-Z_:][a-zA-Z0-9_:]*`;
const VALUE = String.raw`[+-]?Inf|NaN|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?`;
const SAMPLE = new RegExp(String.raw`^(${NAME})(?:\{(.*)\})? (${VALUE})$`);
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/;

/**
 * Reads the text exposition format, version 0.0.4, and throws at whatever is not strictly of it: HELP, TYPE and
 * then the samples of each family, every line ended, no series twice.
 */
export function parsePrometheus(text: string): PrometheusFamily[] {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families: { name: string; help: string; type: string; samples: PrometheusSample[] }[] = [];
  const series = new Set<string>();
  let help: { name: string; text: string } | null = null;
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`).exec(line);
    if (comment?.[1] === "HELP") {
      help = { name: comment[2] as string, text: comment[3] as string };
    } else if (comment?.[1] === "TYPE") {
      const [, , name = "", type = ""] = comment;
      if (help?.name !== name) throw new Error(`no HELP before the TYPE of ${name}`);
      if (families.some((family) => family.name === name)) throw new Error(`${name} comes twice`);
      families.push({ name, help: help.text, type, samples: [] });
    } else {
      const sample = parseSample(line);
      const family = families.at(-1);
      if (family === undefined || !belongsTo(sample.name, family.name, family.type))
        throw new Error(`${sample.name} stands outside of its family`);
      const key = `${sample.name} ${JSON.stringify([...sample.labels].map(String).toSorted())}`;
      if (series.has(key)) throw new Error(`${key} comes twice`);
      series.add(key);
      family.samples.push(sample);
    }
  }
  return families;
}

function belongsTo(name: string, family: string, type: string): boolean {
  if (type !== "histogram") return name === family;
  return [`${family}_bucket`, `${family}_sum`, `${family}_count`].includes(name);
}

function parseSample(line: string): PrometheusSample {
  const match = SAMPLE.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const labels = new Map<string, string>();
  let rest = match[2] ?? "";
  while (rest !== "") {
    const label = LABEL.exec(rest);
    if (label === null) throw new Error(`not a label: ${rest}`);
    const [whole, name = "", escaped = ""] = label;
    if (labels.has(name)) throw new Error(`the label ${name} comes twice`);
    labels.set(name, unescape(escaped));
    rest = rest.slice(whole.length);
  }
  return { name: match[1] as string, labels, value: parseValue(match[3] as string) };
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, (_whole, char: string) => (char === "n" ? "\n" : char));
}

function parseValue(text: string): number {
  if (text.endsWith("Inf")) return text.startsWith("-") ? -Infinity : Infinity;
  return Number(text);
}
