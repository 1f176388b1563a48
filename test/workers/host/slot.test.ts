import { expect, test } from "bun:test";

import { bindAll } from "../../../workers/host/binding.ts";
import { DEFAULT_TIMES } from "../../../workers/host/host-options.ts";
import { openThreadLink } from "../../../workers/host/link-thread.ts";
import { PinnedStages } from "../../../workers/host/pinned-stages.ts";
import { Slot } from "../../../workers/host/slot.ts";
import type { Loss } from "../../../workers/host/slot.ts";
import { TempFolder } from "../../support/temp-folder.ts";
import { plugin } from "./runner-harness.ts";

const OWNER = {
  replied: () => {
    throw new Error("nothing was run");
  },
  lost: () => {
    throw new Error("nothing was lost");
  },
};

function refuse(): never {
  throw new Error("EAGAIN");
}

function optionsFor(directory: string) {
  const [bound] = bindAll([{ use: "./probe.ts", channels: ["x"], onError: "drop" }]);
  if (bound === undefined) throw new Error("nothing was bound");
  return {
    index: 0,
    stages: new PinnedStages([{ bound, use: "./probe.ts", config: null, code: null }], directory),
    directory,
    maxPayloadBytes: 1000,
    isAsync: true,
    times: DEFAULT_TIMES,
  };
}

test("a worker that the system does not give is a failed start, not a rejection", async () => {
  const slot = new Slot({ ...optionsFor("."), openLink: refuse }, OWNER);
  expect(await slot.start()).toMatchObject({ ok: false, fault: { message: "EAGAIN" } });
  expect(slot.state).toBe("lost");
});

test("a worker that dies while it is idle is told of, once", async () => {
  await using folder = await TempFolder.create();
  const gate = JSON.stringify(`${folder.path}/gate`);
  const extra = `setup() { setInterval(() => { if (existsSync(${gate})) process.exit(5); }, 1); },`;
  const head = `import { existsSync } from "node:fs";`;
  await folder.write("probe.ts", plugin("", { extra, head }));
  const lost = Promise.withResolvers<Loss>();
  let losses = 0;
  const owner = {
    ...OWNER,
    lost: (_slot: Slot, loss: Loss) => {
      losses++;
      lost.resolve(loss);
    },
  };
  const slot = new Slot({ ...optionsFor(folder.path), openLink: openThreadLink }, owner);
  expect((await slot.start()).ok).toBe(true);
  slot.state = "free";
  await folder.write("gate", "");
  expect(await lost.promise).toMatchObject({ reason: "crash", flight: null });
  expect(slot).toHaveProperty("state", "lost");
  expect(losses).toBe(1);
  slot.close();
});
