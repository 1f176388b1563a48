/** The plain twin of workers/boundary/slab.ts: a message as a value, and the bytes of a batch as their parts. */
export interface PlainMessage {
  readonly channel: string;
  readonly lane: string | null;
  readonly meta: Uint8Array | null;
  readonly payload: Uint8Array;
}

function words(...values: number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function filled(bytes: Uint8Array): Uint8Array {
  return joined([bytes, new Uint8Array((4 - (bytes.length % 4)) % 4)]);
}

export function plainSlab(messages: readonly PlainMessage[]): Uint8Array {
  const names: string[] = [];
  const nameIndex = (name: string): number => {
    if (!names.includes(name)) names.push(name);
    return names.indexOf(name);
  };
  const records = messages.map(({ channel, lane, meta, payload }) => {
    const head = words(
      nameIndex(channel),
      lane === null ? -1 : nameIndex(lane),
      meta?.length ?? -1,
      payload.length,
    );
    return filled(joined([head, meta ?? new Uint8Array(0), payload]));
  });
  const body = joined(records);
  const tail = joined(
    names.map((name) => {
      const utf8 = new TextEncoder().encode(name);
      return filled(joined([words(utf8.length), utf8]));
    }),
  );
  const size = 16 + body.length + tail.length;
  return joined([words(messages.length, 16 + body.length, names.length, size), body, tail]);
}
