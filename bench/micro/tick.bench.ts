/**
 * The cheapest hook that runs once everything a poll brought has been handled: the broker's end of tick.
 * Prints, for each candidate, when it runs relative to the messages of one poll, and its cost when one
 * hook arms the next. Run: bun bench/micro/tick.bench.ts
 */
import { Connection } from "../load/connection.ts";
import { table } from "../support/table.ts";
import { isolated } from "./measure.ts";

type Hook = (callback: () => void) => void;

const hooks: Readonly<Record<string, () => Hook>> = {
  setImmediate: () => (callback) => void setImmediate(callback),
  queueMicrotask: () => queueMicrotask,
  nextTick: () => (callback) => process.nextTick(callback),
  MessageChannel: () => {
    const { port1, port2 } = new MessageChannel();
    const waiting: (() => void)[] = [];
    port1.addEventListener("message", () => waiting.shift()?.());
    port1.start();
    return (callback) => {
      waiting.push(callback);
      port2.postMessage(0);
    };
  },
};

interface Finding {
  /** Messages as `a1`, hooks they armed as `(a1)`, in the order they ran. */
  readonly order: string;
  readonly cpuNs: number;
}

const CONNECTIONS = ["a", "b"];
const MESSAGES = ["1", "2"];
const CHAIN = 100_000;

/** Runs of a hook that arms the next: CPU per run, ns, polls of the event loop included. */
async function chainCost(hook: Hook): Promise<number> {
  const done = Promise.withResolvers<void>();
  let left = CHAIN;
  const next = (): void => {
    left--;
    if (left === 0) done.resolve();
    else hook(next);
  };
  const before = process.cpuUsage();
  hook(next);
  await done.promise;
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / CHAIN;
}

/** What happens when two sockets have two messages each ready in one poll. */
async function pollOrder(hook: Hook): Promise<string> {
  const log: string[] = [];
  const finished = Promise.withResolvers<void>();
  using server = Bun.serve<{ name: string }>({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request, self) {
      const name = new URL(request.url).searchParams.get("name") ?? "";
      return self.upgrade(request, { data: { name } }) ? undefined : new Response(null);
    },
    websocket: {
      message(ws, message) {
        const label = ws.data.name + String(message);
        log.push(label);
        hook(() => {
          log.push(`(${label})`);
          if (log.length === CONNECTIONS.length * MESSAGES.length * 2) finished.resolve();
        });
      },
    },
  });
  const port = server.port ?? 0;
  const user = { message: () => {}, readEnded: () => {}, failed: finished.reject };
  const connections = await Promise.all(
    CONNECTIONS.map((name) =>
      Connection.open(
        { hostname: "127.0.0.1", port, path: `/?name=${name}`, subprotocol: null },
        user,
      ),
    ),
  );
  // Client and server share this thread: all of it is written before the server can poll.
  for (const connection of connections) {
    for (const message of MESSAGES) connection.send(new TextEncoder().encode(message));
  }
  await finished.promise;
  for (const connection of connections) connection.close();
  return log.join(" ");
}

const results = await isolated(import.meta.path, hooks, async (create): Promise<Finding> => {
  const hook = create();
  const order = await pollOrder(hook);
  await chainCost(hook);
  return { order, cpuNs: await chainCost(hook) };
});
const rows = Object.entries(results).map(([name, { order, cpuNs }]) => [
  name,
  cpuNs.toFixed(0),
  order,
]);
console.log(
  table(`End-of-tick hooks (Bun ${Bun.version})`, ["hook", "CPU ns", "order in one poll"], rows),
);
