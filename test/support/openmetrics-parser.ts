import { parsePrometheus } from "./prometheus-parser.ts";
import type { PrometheusFamily } from "./prometheus-parser.ts";

export interface FoundExemplar {
  /** The whole line without the exemplar. */
  readonly bucket: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly atSeconds: number;
}

export interface OpenMetrics {
  /** By the names of families, which counters have without `_total`. */
  readonly families: readonly (PrometheusFamily & { readonly unit: string | null })[];
  readonly exemplars: readonly FoundExemplar[];
}

const EXEMPLAR = /^(.+?) # \{(.*)\} (\S+) (\d+(?:\.\d+)?)$/;

/**
 * Reads OpenMetrics 1.0 and throws at what is not strictly of it. What it has in common with the older format is read by
 * the parser of that, once units, exemplars and the end are taken away.
 */
export function parseOpenMetrics(text: string): OpenMetrics {
  if (!text.endsWith("\n# EOF\n")) throw new Error("the end mark is missing");
  const lines = text.slice(0, -"# EOF\n".length - 1).split("\n");
  if (lines.includes("# EOF")) throw new Error("the end mark comes twice");
  const units = new Map<string, string>();
  const exemplars: FoundExemplar[] = [];
  const counters = new Set<string>();
  const plain: string[] = [];
  for (const line of lines) {
    const [, family = "", unit = ""] = /^# UNIT (\S+) (\S+)$/.exec(line) ?? [];
    const [, counter = ""] = /^# TYPE (\S+) counter$/.exec(line) ?? [];
    if (family !== "") {
      if (!family.endsWith(`_${unit}`)) throw new Error(`${family} does not end in its unit`);
      if (!plain.at(-1)?.startsWith(`# TYPE ${family} `))
        throw new Error(`the unit of ${family} does not follow its type`);
      units.set(family, unit);
      continue;
    }
    if (counter !== "") counters.add(counter);
    const match = EXEMPLAR.exec(line);
    if (match !== null) exemplars.push(parseExemplar(match));
    plain.push(match?.[1] ?? line);
  }
  return { families: withUnits(plain, counters, units), exemplars };
}

function withUnits(
  lines: readonly string[],
  counters: ReadonlySet<string>,
  units: ReadonlyMap<string, string>,
): OpenMetrics["families"] {
  const renamed = lines.map((line) =>
    line.replace(/^(# (?:HELP|TYPE) )(\S+)/, (whole, start: string, family: string) =>
      counters.has(family) ? `${start}${family}_total` : whole,
    ),
  );
  return parsePrometheus(`${renamed.join("\n")}\n`).map((family) => {
    const isCounter = family.type === "counter";
    const name = isCounter ? family.name.replace(/_total$/, "") : family.name;
    return { ...family, name, unit: units.get(name) ?? null };
  });
}

function parseExemplar([, bucket = "", pairs = "", value = "", at = ""]: RegExpExecArray) {
  if (!/^\S+_bucket\{.*le="[^"]+"\} \d+$/.test(bucket))
    throw new Error(`an exemplar stands at ${bucket}`);
  const labels = Object.fromEntries(
    pairs.split(",").map((pair) => {
      const [, name = "", text = ""] = /^([a-z_]+)="([^"\\]*)"$/.exec(pair) ?? [];
      if (name === "") throw new Error(`not a label: ${pair}`);
      return [name, text];
    }),
  );
  const length = Object.entries(labels).flat().join("").length;
  if (length > 128) throw new Error("the labels of an exemplar are longer than 128 characters");
  const le = /le="([^"]+)"/.exec(bucket)?.[1] ?? "";
  if (Number(value) > Number(le.replace("+Inf", "Infinity")))
    throw new Error(`the exemplar ${value} is outside of its bucket ${le}`);
  return { bucket, labels, value: Number(value), atSeconds: Number(at) };
}
