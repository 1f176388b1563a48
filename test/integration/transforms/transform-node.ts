import { fileURLToPath } from "node:url";

import type { ConfigInput } from "../../../broker/config/config.ts";
import type { TransformInput } from "../../../broker/config/transforms.ts";
import type { BrokerOptions } from "../../../broker/main.ts";
import { startBroker } from "../../support/broker.ts";
import type { TestBroker } from "../../support/broker.ts";
import type { ProtocolClient } from "../../support/protocol-client.ts";
import { waitUntil } from "../../support/redis/wait.ts";

/** Folder of the transforms that tests bind. */
export const FIXTURES = fileURLToPath(new URL("fixtures/", import.meta.url));

/** Does what payloads say, on the channels "t.>". */
export const OBEY: TransformInput = {
  use: "./obey.ts",
  directory: FIXTURES,
  channels: ["t.>"],
  onError: "nack",
  emit: ["out.>"],
};

/** A whole broker with these transforms, ready to be published to. */
export async function startTransforms(
  transforms: readonly TransformInput[],
  input: ConfigInput & BrokerOptions = {},
): Promise<TestBroker> {
  const node = await startBroker({ maxConnectionsPerUser: 0, ...input, transforms });
  await waitUntil("the node is ready", () => node.broker.api.health().isReady);
  return node;
}

/** Payloads of a channel's history as texts, oldest first. */
export async function stored(client: ProtocolClient, channel: string): Promise<string[]> {
  const { publications } = await client.history(channel, 1000);
  return publications.map(({ payload }) => new TextDecoder().decode(payload));
}
