// Loaded before every test file (bunfig.toml): once per file, because files run isolated.
//
// `bun test` fails the run on unhandled rejections and uncaught exceptions, even when the code under
// test listens for them, but it stops looking when the last test of a file ends. A socket that closes
// or a timer that is due just after that would throw unseen, so each file is given a few more turns
// of the event loop, in which `bun test` still reports what goes wrong. They wait for nothing in
// particular: a test that starts work still has to await it.
import { afterAll, jest } from "bun:test";

const LAST_TURNS = 4;

afterAll(async () => {
  // Fake timers that a file left behind would stop the turns, and the run.
  jest.useRealTimers();
  for (let turn = 0; turn < LAST_TURNS; turn++) {
    await Bun.sleep(1);
  }
});
