import type { DeliveryTrace } from "../../otel/delivery-trace.ts";
import { tellMissing } from "../coverage.ts";
import type { Coverage } from "../coverage.ts";
import { CliError, ExitCode, UsageError } from "../errors.ts";
import { parseArguments } from "../options.ts";
import { print } from "../output.ts";
import { ask, RefusedError } from "../transform/admin.ts";
import { JSON_OPTION } from "../transform/arguments.ts";
import type { Subcommand } from "../transform/subcommand.ts";
import { spansInJaeger } from "./jaeger.ts";
import { NODE_OPTIONS, urlsOf } from "./nodes.ts";
import type { NodeOptions } from "./nodes.ts";
import { spansOfParts } from "./trace-span.ts";
import { traceText } from "./trace-text.ts";

const OPTIONS = {
  jaeger: {
    type: "string",
    value: "<url>",
    text: "ask Jaeger instead of nodes, which remember only the last traces",
  },
  json: JSON_OPTION,
  ...NODE_OPTIONS,
} as const;

const NOT_FOUND = 404;

export const show: Subcommand = {
  usage: "<id> [--url <url>]... | <id> --jaeger <url>",
  summary: "the spans of a trace as a tree, and which of them is to blame",
  options: OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    const [given = "", ...rest] = positionals;
    if (rest.length > 0) throw new UsageError("takes one trace id");
    const id = traceIdOf(given);
    const { jaeger } = options;
    const spans =
      jaeger === undefined
        ? spansOfParts(await partsOf(options, id, tellMissing))
        : await spansInJaeger(jaeger, id);
    if (spans.length === 0) throw new CliError(notFound(id, jaeger));
    const text = options.json === true ? JSON.stringify(spans, null, 2) : traceText(id, spans);
    await print(`${text}\n`);
    return ExitCode.done;
  },
};

/** What the nodes know of a trace. @throws CliError when one cannot be asked */
export async function partsOf(
  options: NodeOptions,
  traceId: string,
  answered: (answer: Coverage) => unknown = () => {},
): Promise<DeliveryTrace[]> {
  const answers = urlsOf(options).map(async (url) => {
    try {
      const path = `/v1/trace?id=${traceId}`;
      const answer = (await ask({ url, token: options.token }, path)) as Coverage & {
        readonly parts: readonly DeliveryTrace[];
      };
      answered(answer);
      return answer.parts;
    } catch (error) {
      // Not every node had a part in it.
      if (error instanceof RefusedError && error.status === NOT_FOUND) return [];
      throw error;
    }
  });
  return (await Promise.all(answers)).flat();
}

/** @throws UsageError */
function traceIdOf(text: string): string {
  const id = text.toLowerCase();
  if (/^[0-9a-f]{32}$/.test(id)) return id;
  // A whole traceparent, as it stands in meta and in logs.
  const [, inside] = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(id) ?? [];
  if (inside !== undefined) return inside;
  throw new UsageError(`${JSON.stringify(text)} is no trace id: give 32 hex digits`);
}

function notFound(id: string, jaeger: string | undefined): string {
  return jaeger === undefined
    ? `no node that was asked has a part of the trace ${id} (any more); --jaeger <url> asks where traces are collected`
    : `Jaeger has no trace ${id}`;
}
