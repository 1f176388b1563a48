const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const CLUSTER_SLOTS = 16384;

/** FNV-1a, 32 bits, over the characters of an ASCII name. */
export function fnv1a(name: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), FNV_PRIME);
  // The low bits of FNV-1a are weak on short names that differ in their last characters: fold and mix.
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 12)) >>> 0;
}

/** The partition of a channel; `count` is fixed at the birth of the cluster of brokers. */
export function partitionOf(channel: string, count: number): number {
  return fnv1a(channel) % count;
}

/**
 * Jump consistent hash (Lamping and Veach 2014, arXiv:1406.2294): the shard of a partition. With one shard
 * more, only the partitions that move to it change place.
 */
export function shardOf(partition: number, shards: number): number {
  let key = BigInt(fnv1a(`partition-${partition}`)) + 1n;
  let bucket = -1;
  let next = 0;
  while (next < shards) {
    bucket = next;
    key = (key * 2862933555777941757n + 1n) & 0xffff_ffff_ffff_ffffn;
    next = Math.floor((bucket + 1) * (0x8000_0000 / (Number(key >> 33n) + 1)));
  }
  return bucket;
}

/** CRC-16/XMODEM, which Redis Cluster takes a key's slot from. */
function crc16(text: string): number {
  let crc = 0;
  for (let i = 0; i < text.length; i++) {
    crc ^= text.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

/** The Redis Cluster slot of a hash tag. */
export function slotOf(tag: string): number {
  return crc16(tag) % CLUSTER_SLOTS;
}

/**
 * A hash tag for each partition, chosen so that their slots lie evenly over the slot space: however many
 * masters share it, each gets its share of the partitions, give or take less than two. Always the same for
 * the same count.
 */
export function partitionTags(count: number): string[] {
  const width = CLUSTER_SLOTS / count;
  return Array.from({ length: count }, (_, partition) => {
    for (let attempt = 0; ; attempt++) {
      const tag = attempt === 0 ? `p${partition}` : `p${partition}.${attempt}`;
      if (Math.floor(slotOf(tag) / width) === partition) return tag;
    }
  });
}
