import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { INSTRUMENTS } from "../../otel/metrics.ts";

/** The root of the checkout. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export function readDeploy(path: string): string {
  return readFileSync(`${ROOT}deploy/${path}`, "utf8");
}

export function readYaml(path: string): unknown {
  return Bun.YAML.parse(readDeploy(path));
}

export function exists(path: string): boolean {
  return existsSync(path);
}

const BY_NAME = new Map(INSTRUMENTS.map((instrument) => [instrument.name, instrument]));
/** Put on every series by Prometheus, and `le` by a histogram. */
const OTHER_LABELS = new Set(["instance", "job", "le"]);

/** What of a PromQL expression names no instrument, label or label value of ours. */
export function strangersIn(expression: string): string[] {
  const strangers: string[] = [];
  const uses = expression.matchAll(/\b((?:tickwire|process)_[a-z0-9_]+)(?:\{([^}]*)\})?/g);
  for (const [, name = "", selector = ""] of uses) {
    const family = BY_NAME.get(name) ?? histogramOf(name);
    if (family === undefined) {
      strangers.push(name);
      continue;
    }
    for (const [, label = "", operator = "", text = ""] of selector.matchAll(
      /(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g,
    )) {
      if (OTHER_LABELS.has(label)) continue;
      const values = family.labels[label];
      if (values === undefined) strangers.push(`${name}{${label}}`);
      // A pattern is made of whole values here.
      for (const value of operator.includes("~") ? text.split("|") : [text]) {
        if (values != null && !values.includes(value)) {
          strangers.push(`${name}{${label}="${value}"}`);
        }
      }
    }
    strangers.push(...strangeGroups(expression, family.labels).map((one) => `${name} by ${one}`));
  }
  return strangers;
}

/** A histogram has three series, and no other instrument has these names. */
function histogramOf(name: string) {
  const family = BY_NAME.get(name.replace(/_(bucket|sum|count)$/, ""));
  return family?.kind === "histogram" ? family : undefined;
}

function strangeGroups(expression: string, labels: Readonly<Record<string, unknown>>): string[] {
  return [...expression.matchAll(/\bby \(([^)]*)\)/g)]
    .flatMap(([, list = ""]) => list.split(",").map((label) => label.trim()))
    .filter((label) => !OTHER_LABELS.has(label) && !Object.hasOwn(labels, label));
}
