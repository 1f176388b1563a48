import { failureOf } from "./failure.ts";
import { HttpBroker } from "./http-broker.ts";
import type { HttpBrokerOptions } from "./http-broker.ts";
import { emission, outcome, PlainTransforms } from "./plain-transforms.ts";
import type { PlainTransform } from "./plain-transforms.ts";
import type { ProtocolClient, RefusedError } from "./protocol-client.ts";

/** Does what the payload says: "drop", "fail", "emit", and so on; anything else in upper case. */
const obey: PlainTransform["process"] = ({ channel, text, bytes, meta }) => {
  const [word, argument = ""] = text.split(" ");
  switch (word) {
    case "pass":
      return outcome.publish(bytes, { meta });
    case "drop":
      return outcome.drop();
    case "fail":
      return outcome.reject("it failed");
    case "dead":
      return outcome.deadLetter("dead.t", bytes, { channel, long: "x".repeat(5000) });
    case "grow":
      return outcome.publish("x".repeat(Number(argument)));
    case "emit":
      return outcome.publish(text, { meta, emissions: argument.split(",").map(emissionOf) });
    case "only":
      return outcome.drop(argument.split(",").map(emissionOf));
    default:
      return outcome.publish(text.toUpperCase(), { meta });
  }
};

/** `channel=text` */
function emissionOf(pair: string): ReturnType<typeof emission> {
  const [channel = "", text = ""] = pair.split("=");
  return emission(channel, text);
}

/** A broker over HTTP and WebSocket whose channels `t.>` go through a transform that obeys. */
export function startObeying(
  options: HttpBrokerOptions = {},
): Promise<{ http: HttpBroker; runner: PlainTransforms } & AsyncDisposable> {
  const runner = new PlainTransforms({ id: "obey", channels: ["t.>"], process: obey });
  const transforms = [
    { use: "./obey.ts", channels: ["t.>"], onError: "nack", emit: ["t.>", "u.>", "small.>"] },
  ] as const;
  return HttpBroker.start({ runner, transforms, maxConnectionsPerUser: 0, ...options }).then(
    (http) => ({
      http,
      runner,
      [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
    }),
  );
}

/** The error that a command was answered with. */
export async function refusalOf(promise: Promise<unknown>): Promise<RefusedError["reply"]> {
  return ((await failureOf(promise)) as RefusedError).reply;
}

/** Texts of a channel's history, oldest first. */
export async function stored(client: ProtocolClient, channel: string): Promise<string[]> {
  const { publications } = await client.history(channel, 1000);
  return publications.map(({ payload }) => new TextDecoder().decode(payload));
}
