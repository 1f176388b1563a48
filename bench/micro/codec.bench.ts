/**
 * The hot frames by hand against msgpackr: what reading a publish and writing a publication costs.
 * Run: bun bench/micro/codec.bench.ts
 */
import { Packr, Unpackr } from "msgpackr";

import { readPublication, writePublication } from "../../protocol/messages/publication.ts";
import { publishSize, readPublish, writePublish } from "../../protocol/messages/publish.ts";
import { Op } from "../../protocol/op.ts";
import { FrameReader } from "../../protocol/reader.ts";
import { table } from "../support/table.ts";
import { isolated, nsPerCall } from "./measure.ts";

const PAYLOADS = [16, 64, 256, 1024];
const CHANNEL = "bench.channel.0";
const FIRST_OFFSET = 100_000;

/** Makes the body of one measurement for a payload. */
type Contender = (payload: Uint8Array) => (calls: number) => number;

const contenders: Readonly<Record<string, Contender>> = {
  readPublish(payload) {
    const frame = publishFrame(payload);
    const reader = new FrameReader();
    const view = { id: 0, channelStart: 0, channelEnd: 0, payloadStart: 0, payloadEnd: 0 };
    return (calls) => {
      let sum = 0;
      for (let i = 0; i < calls; i++) {
        reader.reset(frame, 0, frame.length);
        if (readPublish(reader, view)) sum += view.payloadEnd + view.channelStart;
      }
      return sum;
    };
  },
  "msgpackr unpack publish"(payload) {
    const frame = publishFrame(payload);
    const unpackr = new Unpackr({ useRecords: false });
    return (calls) => {
      let sum = 0;
      for (let i = 0; i < calls; i++) {
        const fields = unpackr.unpack(frame) as [number, number, string, Uint8Array];
        sum += fields[2].length + fields[3].length;
      }
      return sum;
    };
  },
  writePublication(payload) {
    const arena = new Uint8Array(64 * 1024);
    return (calls) => {
      let at = 0;
      for (let i = 0; i < calls; i++) {
        at = writePublication(arena, at, 7, FIRST_OFFSET + i, payload, 0, payload.length, null);
        if (at > arena.length / 2) at = 0;
      }
      return arena[at] as number;
    };
  },
  "msgpackr pack publication"(payload) {
    const packr = new Packr({ useRecords: false });
    return (calls) => {
      let sum = 0;
      for (let i = 0; i < calls; i++) {
        sum += packr.pack([Op.publication, 7, FIRST_OFFSET + i, payload]).length;
      }
      return sum;
    };
  },
  readPublication(payload) {
    const frame = new Uint8Array(payload.length + 32);
    const end = writePublication(frame, 0, 7, FIRST_OFFSET, payload, 0, payload.length, null);
    const reader = new FrameReader();
    const view = { channelId: 0, offset: 0, payloadStart: 0, payloadEnd: 0 };
    return (calls) => {
      let sum = 0;
      for (let i = 0; i < calls; i++) {
        reader.reset(frame, 0, end);
        if (readPublication(reader, view)) sum += view.payloadEnd + view.channelId;
      }
      return sum;
    };
  },
};

function publishFrame(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(publishSize(0, CHANNEL, payload.length));
  writePublish(frame, 0, 0, CHANNEL, payload);
  return frame;
}

const results = await isolated(import.meta.path, contenders, (contender) =>
  PAYLOADS.map((length) => nsPerCall(contender(new Uint8Array(length).fill(7)))),
);
const rows = Object.entries(results).map(([name, costs]) => [
  name,
  ...costs.map((cost) => cost.toFixed(1)),
]);
const head = ["payload bytes", ...PAYLOADS.map(String)];
console.log(table(`Hot frames, ns each (Bun ${Bun.version})`, head, rows));
