import type { Publication, PublicationMeta } from "../../client/index.ts";
import { jsonPayload } from "../../protocol/json-codec.ts";
import type { Output } from "../output.ts";
import { payloadText } from "./payload-text.ts";
import type { PayloadKind } from "./payload-text.ts";

export type FormatName = "pretty" | "raw" | "json";

/** Writes one publication. */
export type PublicationWriter = (publication: Publication<Uint8Array>, output: Output) => void;

export function publicationWriter(name: FormatName, isFull: boolean): PublicationWriter {
  switch (name) {
    case "raw":
      return (publication, output) => output.writeLine(publication.bytes);
    case "json":
      return (publication, output) => output.print(`${JSON.stringify(jsonObject(publication))}\n`);
    case "pretty":
      return prettyWriter(isFull);
  }
}

function jsonObject({
  channel,
  offset,
  epoch,
  meta,
  bytes,
}: Publication<Uint8Array>): Record<string, unknown> {
  const carried = meta === null ? {} : { meta: metaObject(meta) };
  return { channel, offset, epoch, payload: jsonPayload(bytes), ...carried };
}

/** What is there of the meta field. */
function metaObject({ headers, ...fields }: PublicationMeta): Record<string, unknown> {
  const present = Object.entries(fields).filter(([, value]) => value !== null);
  const named = headers === null ? {} : { headers: Object.fromEntries(headers) };
  return { ...Object.fromEntries(present), ...named };
}

const RESET = "\u001b[0m";
const DIM = "\u001b[2m";
const CYAN = "\u001b[36m";
const COLOR: Readonly<Record<PayloadKind, string>> = {
  empty: DIM,
  json: "",
  text: "",
  msgpack: "\u001b[32m",
  bytes: "\u001b[33m",
};

/** Lines for people: time of arrival, channel, offset, payload. On a terminal cut to its width. */
function prettyWriter(isFull: boolean): PublicationWriter {
  const { isTTY } = process.stdout;
  const useColor = isTTY && (process.env["NO_COLOR"] ?? "") === "";
  const paint = (color: string, text: string): string =>
    useColor && color !== "" ? `${color}${text}${RESET}` : text;
  let channelWidth = 0;
  return ({ channel, offset, bytes }, output) => {
    channelWidth = Math.min(32, Math.max(channelWidth, channel.length));
    const time = timeText(new Date());
    const name = channel.padEnd(channelWidth);
    const place = `#${offset}`;
    const { kind, text } = payloadText(bytes);
    const used = time.length + name.length + place.length + 6;
    const width = isTTY && !isFull ? Math.max(20, process.stdout.columns - used) : Infinity;
    const size = ` (${bytes.length} bytes)`;
    const shown =
      text.length <= width ? text : `${text.slice(0, width - size.length - 3)}...${size}`;
    output.print(
      `${paint(DIM, time)}  ${paint(CYAN, name)}  ${paint(DIM, place)}  ${paint(COLOR[kind], shown)}\n`,
    );
  };
}

/** Local time as 12:34:56.789. */
function timeText(date: Date): string {
  const seconds = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((value) => String(value).padStart(2, "0"))
    .join(":");
  return `${seconds}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
