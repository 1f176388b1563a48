import type { RawFrame } from "../codec.ts";
import { arrayField, optionalStringField, stringField, uintField } from "../fields.ts";
import type { Frame, FrameValue } from "../frame.ts";
import { MAX_CHANNEL_BYTES, MAX_REQUEST_ID } from "../limits.ts";
import { Op } from "../op.ts";

/** [8, id, channel]  who is present [P-6.7] */
export interface PresenceCommand {
  readonly type: "presence";
  readonly id: number;
  readonly channel: string;
}

export function encodePresence(command: Omit<PresenceCommand, "type">): Frame {
  return [Op.presence, command.id, command.channel];
}

export function decodePresence(frame: RawFrame): PresenceCommand {
  return {
    type: "presence",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    channel: stringField(frame[2], "channel", MAX_CHANNEL_BYTES),
  };
}

/** One present connection. */
export interface PresenceMember {
  readonly connection: string;
  readonly user: string | null;
}

/** Result of presence: [[connection, user | nil], ...] */
export function presenceResult(members: readonly PresenceMember[]): FrameValue {
  return members.map((member) => [member.connection, member.user]);
}

export function decodePresenceResult(value: unknown): PresenceMember[] {
  return arrayField(value, "result").map((entry) => {
    const fields = arrayField(entry, "member");
    return memberFields(fields[0], fields[1]);
  });
}

/**
 * [40, channelId, connection, user | nil]  a connection entered the presence of a channel
 * [41, channelId, connection, user | nil]  it left [P-7.5]
 */
export interface PresencePush extends PresenceMember {
  readonly type: "join" | "leave";
  readonly channelId: number;
}

export function encodePresencePush(push: PresencePush): Frame {
  return [push.type === "join" ? Op.join : Op.leave, push.channelId, push.connection, push.user];
}

export function decodePresencePush(frame: RawFrame): PresencePush {
  return {
    type: frame[0] === Op.join ? "join" : "leave",
    channelId: uintField(frame[1], "channelId"),
    ...memberFields(frame[2], frame[3]),
  };
}

function memberFields(connection: unknown, user: unknown): PresenceMember {
  return {
    connection: stringField(connection, "connection", 64),
    user: optionalStringField(user, "user", 1024),
  };
}
