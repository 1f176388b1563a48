import { silentLogger, systemClock } from "../../../broker/ports.ts";
import { createTransformRunner } from "../../../workers/host/create-transform-runner.ts";
import type { Isolation } from "../../../workers/host/host-types.ts";

/**
 * A runner in a process of its own, for tests of how processes end. Arguments: folder, isolation, then payloads for
 * `probe.ts` in the folder. It writes a line for each outcome; SIGTERM stops it.
 */
const [directory = ".", isolation = "thread", ...payloads] = process.argv.slice(2);
const utf8 = new TextEncoder();

const runner = createTransformRunner({
  bindings: [
    { use: "./probe.ts", channels: ["in.>"], onError: "drop", isolation: isolation as Isolation },
  ],
  directory,
  clock: systemClock,
  logger: silentLogger,
  maxPayloadBytes: 65_536,
});
const sink = {
  settled(_ticket: unknown, outcome: Parameters<Parameters<typeof runner.start>[0]["settled"]>[1]) {
    const isPublished = outcome.type === "publish";
    const output = isPublished ? outcome.bytes.slice(outcome.start, outcome.end) : utf8.encode("-");
    process.stdout.write(`${outcome.type} ${new TextDecoder().decode(output)}\n`);
  },
};
await runner.start(sink, { history: async () => [] });
process.on("SIGTERM", () => {
  void runner.stop(100).then(() => process.exit(0));
});
for (const payload of payloads) {
  const bytes = utf8.encode(payload);
  runner.route("in.x")?.submit(bytes, 0, bytes.length, null, null, payload);
}
