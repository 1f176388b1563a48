import { describe, expect, test } from "bun:test";

import { checkContiguous } from "../support/history-checker.ts";
import { startBrokerProcess } from "../support/process.ts";
import { ProtocolClient } from "../support/protocol-client.ts";

const CLIENTS = 20;

describe("a broker that is killed and started again on its port", () => {
  test("tells every client that comes back the truth: a new epoch, and that nothing was recovered", async () => {
    let port = 0;
    const positions: { epoch: string; offset: number }[] = [];
    {
      await using before = await startBrokerProcess();
      ({ port } = before);
      const clients = await Promise.all(
        Array.from({ length: CLIENTS }, () => ProtocolClient.connect(before.url)),
      );
      const epochs = await Promise.all(
        clients.map(async (client) => (await client.subscribe("a")).epoch),
      );
      const [publisher] = clients as [ProtocolClient];
      for (let i = 1; i <= 30; i++) await publisher.publish("a", String(i));
      // Some have seen all of it when the broker dies, some a part.
      await Promise.all(clients.slice(0, 10).map((client) => client.untilPublications(30)));
      before.kill("SIGKILL");
      const closes = await Promise.all(clients.map((client) => client.untilClosed()));
      // No close frame: only the end of the connection.
      expect(new Set(closes.map(({ code }) => code))).toEqual(new Set([1006]));
      expect(await before.exited).toBe(137);
      for (const [i, client] of clients.entries()) {
        checkContiguous(client.publications, 0);
        positions.push({ epoch: epochs[i] as string, offset: client.publications.length });
      }
    }

    await using after = await startBrokerProcess(["--port", String(port)]);
    expect(after.port).toBe(port);
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => ProtocolClient.connect(after.url)),
    );
    const [publisher] = clients as [ProtocolClient];
    await publisher.publish("a", "new");
    const epochs = new Set<string>();
    for (const [i, client] of clients.entries()) {
      const recover = positions[i] as { epoch: string; offset: number };
      const history = await client.history("a", 100, recover);
      expect(history.complete).toBe(false);
      const subscribed = await client.subscribe("a", { recover });
      expect(subscribed).toMatchObject({ recovered: false, count: 0, offset: 1 });
      expect(subscribed.epoch).not.toBe(recover.epoch);
      epochs.add(subscribed.epoch);
    }
    expect(epochs.size).toBe(1);
    await publisher.publish("a", "next");
    for (const client of clients) {
      await client.untilPublications(1);
      expect(client.texts("a")).toEqual(["next"]);
      checkContiguous(client.publications, 1);
    }
  });
});
