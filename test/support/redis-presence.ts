import type { ProtocolClient } from "./protocol-client.ts";
import { waitUntil } from "./redis/wait.ts";

/** Flags of a subscription: enters the channel's presence, and is told of others. */
export const ENTER = 1;
export const WATCH = 2;

/** Joins and leaves a client was told of, as short words. */
export function told(client: ProtocolClient): string[] {
  return client.frames.flatMap((frame) =>
    frame.type === "join" || frame.type === "leave" ? [`${frame.type} ${frame.user}`] : [],
  );
}

export async function untilTold(client: ProtocolClient, word: string): Promise<void> {
  await client.until(() => told(client).includes(word));
}

export async function users(client: ProtocolClient, channel: string): Promise<string[]> {
  const members = await client.presence(channel);
  return members.map(({ user }) => String(user)).toSorted();
}

export function untilPresent(client: ProtocolClient, channel: string, wanted: readonly string[]) {
  return waitUntil(`${wanted.join(" and ")} are present on ${channel}`, async () => {
    const present = await users(client, channel);
    return present.join() === wanted.join();
  });
}
