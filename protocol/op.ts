/**
 * The opcode table: field 0 of every frame [P-3.2]. Commands (client to broker) are 1-31, replies
 * and pushes (broker to client) are 32-63. All fit one msgpack byte.
 */
export const Op = {
  connect: 1,
  subscribe: 2,
  unsubscribe: 3,
  publish: 4,
  publishMeta: 5,
  ping: 6,
  history: 7,
  presence: 8,
  refresh: 9,
  receipt: 10,

  connected: 32,
  ok: 33,
  error: 34,
  publication: 35,
  publicationMeta: 36,
  channel: 37,
  gap: 38,
  unsubscribed: 39,
  join: 40,
  leave: 41,
  pong: 42,
  drain: 43,
  tokenExpiring: 44,
  notice: 45,
} as const;

export type Op = (typeof Op)[keyof typeof Op];

/** The name of an opcode for logs and errors, or `op <n>` for one this version does not know. */
export function opName(op: number): string {
  return Object.entries(Op).find((entry) => entry[1] === op)?.[0] ?? `op ${op}`;
}
