import { Code } from "../../protocol/codes.ts";
import type { HistoryResult } from "../../protocol/messages/history.ts";
import { NOTICE_STATES } from "../../protocol/messages/notice.ts";
import type { PresenceMember } from "../../protocol/messages/presence.ts";
import type { PublishedResult } from "../../protocol/messages/publish.ts";
import type { SubscribedResult } from "../../protocol/messages/subscribe.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import {
  arbitraryEpoch,
  arbitraryMeta,
  arbitraryName,
  arbitraryPayload,
  arbitraryText,
  arbitraryUint,
} from "./arbitrary.ts";
import type { Random } from "./random.ts";

const MAX_ID = 0xffff_ffff;

function userOrNull(random: Random): string | null {
  return random.chance(0.5) ? null : arbitraryText(random, 256);
}

function arbitraryMember(random: Random): PresenceMember {
  return { connection: arbitraryText(random, 64), user: userOrNull(random) };
}

/** A random reply or push of each type, by its type. */
export const arbitraryServerFrames: {
  readonly [Type in ServerFrame["type"]]: (random: Random) => ServerFrame;
} = {
  connected: (random) => ({
    type: "connected",
    id: arbitraryUint(random, MAX_ID),
    version: arbitraryUint(random, 0xffff),
    connection: arbitraryText(random, 64),
    user: userOrNull(random),
    node: arbitraryText(random, 64),
    serverTimeMs: arbitraryUint(random),
    tokenExpiresInMs: arbitraryUint(random),
    limits: {
      pingIntervalMs: arbitraryUint(random),
      maxMessageBytes: arbitraryUint(random),
      maxPayloadBytes: arbitraryUint(random),
      maxSubscriptions: arbitraryUint(random),
      receiptIntervalMs: arbitraryUint(random),
      slowMs: arbitraryUint(random),
    },
  }),
  ok: (random) => ({ type: "ok", id: arbitraryUint(random, MAX_ID), result: null }),
  error: (random) => {
    const { code, name } = random.pick(Object.values(Code));
    return {
      type: "error",
      id: arbitraryUint(random, MAX_ID),
      code,
      name,
      message: arbitraryText(random, 200),
      retryAfterMs: random.chance(0.5) ? null : arbitraryUint(random),
    };
  },
  pong: (random) => ({
    type: "pong",
    id: arbitraryUint(random, MAX_ID),
    clientTimeMs: arbitraryUint(random),
    serverTimeMs: arbitraryUint(random),
  }),
  publication: (random) => ({
    type: "publication",
    channelId: arbitraryUint(random),
    offset: arbitraryUint(random),
    payload: arbitraryPayload(random),
    meta: random.chance(0.5) ? null : arbitraryMeta(random),
  }),
  channel: (random) => ({
    type: "channel",
    channelId: arbitraryUint(random),
    name: arbitraryName(random),
    epoch: arbitraryEpoch(random),
    offset: arbitraryUint(random),
  }),
  gap: (random) => ({
    type: "gap",
    channelId: arbitraryUint(random),
    from: arbitraryUint(random),
    to: arbitraryUint(random),
    reason: arbitraryText(random, 64),
    count: arbitraryUint(random),
  }),
  unsubscribed: (random) => {
    const { code, name } = random.pick(Object.values(Code));
    const message = arbitraryText(random, 200);
    return { type: "unsubscribed", channel: arbitraryName(random), code, name, message };
  },
  join: (random) => ({
    type: "join",
    channelId: arbitraryUint(random),
    ...arbitraryMember(random),
  }),
  leave: (random) => ({
    type: "leave",
    channelId: arbitraryUint(random),
    ...arbitraryMember(random),
  }),
  drain: (random) => ({ type: "drain", windowMs: arbitraryUint(random) }),
  "token-expiring": (random) => ({ type: "token-expiring", expiresInMs: arbitraryUint(random) }),
  notice: (random) => ({
    type: "notice",
    channel: random.chance(0.5) ? null : arbitraryName(random),
    state: random.pick(NOTICE_STATES),
    message: arbitraryText(random, 200),
  }),
};

/** A random result of each command whose reply carries one. */
export const arbitraryResults = {
  subscribed: (random: Random): SubscribedResult => ({
    channelId: arbitraryUint(random),
    epoch: arbitraryEpoch(random),
    offset: arbitraryUint(random),
    recovered: random.chance(0.5),
    count: arbitraryUint(random),
  }),
  published: (random: Random): PublishedResult => ({
    offset: arbitraryUint(random),
    epoch: arbitraryEpoch(random),
  }),
  history: (random: Random): HistoryResult => ({
    epoch: arbitraryEpoch(random),
    offset: arbitraryUint(random),
    complete: random.chance(0.5),
    publications: Array.from({ length: random.below(6) }, () => ({
      offset: arbitraryUint(random),
      payload: arbitraryPayload(random),
      meta: random.chance(0.5) ? null : arbitraryMeta(random),
    })),
  }),
  presence: (random: Random): PresenceMember[] =>
    Array.from({ length: random.below(9) }, () => arbitraryMember(random)),
  refreshed: (random: Random): number => arbitraryUint(random),
};
