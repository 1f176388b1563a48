import { describe, expect, test } from "bun:test";

import { answered, refusal } from "../../support/http-answer.ts";
import { HttpBroker } from "../../support/http-broker.ts";

describe("history", () => {
  test("answers the newest, or what follows a position", async () => {
    await using http = await HttpBroker.start({ historySize: 3 });
    for (const json of [1, 2, 3, 4]) await http.post("/v1/publish", { channel: "a", json });
    await http.post("/v1/publish", {
      channel: "a",
      payload: { b64: "/w==" },
      id: "p5",
      headers: { h: "v" },
    });
    const { epoch } = await http.broker.api.history("a", { limit: 0, since: null });
    expect(await answered(http.fetch("/v1/history?channel=a&limit=2"))).toEqual({
      status: 200,
      body: {
        epoch,
        offset: 5,
        complete: true,
        publications: [
          { offset: 4, payload: "4" },
          {
            offset: 5,
            payload: { b64: "/w==" },
            id: "p5",
            headers: { h: "v" },
            timeMs: expect.any(Number),
          },
        ],
      },
    });
    const after = async (offset: number, of = epoch): Promise<unknown> => {
      const { body } = await answered(
        http.fetch(`/v1/history?channel=a&offset=${offset}&epoch=${of}`),
      );
      const { complete, publications } = body as {
        complete: boolean;
        publications: { offset: number }[];
      };
      return [complete, publications.map(({ offset: at }) => at)];
    };
    expect(await after(3)).toEqual([true, [4, 5]]);
    expect(await after(5)).toEqual([true, []]);
    expect(await after(0)).toEqual([false, [3, 4, 5]]);
    expect(await after(3, "other")).toEqual([false, [3, 4, 5]]);
    const none = await answered(http.fetch("/v1/history?channel=a&limit=0"));
    expect(none.body).toMatchObject({ offset: 5, publications: [] });
  });

  test.each([
    ["channel=a&limit=-1", "bad_field"],
    ["channel=a&limit=1001", "bad_field"],
    ["channel=a&limit=1e3", "bad_field"],
    ["channel=a&limit=0x10", "bad_field"],
    ["channel=a&limit=", "bad_field"],
    ["channel=a&limit=NaN", "bad_field"],
    ["channel=a&limit=Infinity", "bad_field"],
    ["channel=a&limit=18446744073709551616", "bad_field"],
    ["channel=a&offset=9007199254740992&epoch=e", "bad_field"],
    ["channel=a&offset=-1&epoch=e", "bad_field"],
    ["channel=a&offset=1", "bad_field"],
    ["channel=a&epoch=e", "bad_field"],
    ["channel=a&offset=1&epoch=", "bad_field"],
    [`channel=a&offset=1&epoch=${"e".repeat(33)}`, "bad_field"],
    ["channel=a&channel=b", "bad_field"],
    ["channel=a&ofset=1", "bad_field"],
    ["channel=a&__proto__=1", "bad_field"],
    ["", "bad_channel"],
    ["channel=", "bad_channel"],
    ["channel=a.>", "bad_channel"],
    ["channel=a%0d%0ab", "bad_channel"],
    [`channel=${"a".repeat(256)}`, "bad_channel"],
  ])("refuses ?%s", async (query, name) => {
    await using http = await HttpBroker.start();
    expect(await answered(http.fetch(`/v1/history?${query}`))).toEqual(refusal(400, name));
  });

  test("says so when a channel keeps none", async () => {
    await using http = await HttpBroker.start({ historySize: 0 });
    expect(await answered(http.fetch("/v1/history?channel=a"))).toEqual(refusal(400, "disabled"));
  });
});

test("presence lists who is there, or says that it is off", async () => {
  await using http = await HttpBroker.start({
    namespaces: [{ pattern: "off.>", presence: false }],
  });
  expect(await answered(http.fetch("/v1/presence?channel=a"))).toEqual({
    status: 200,
    body: { members: [] },
  });
  expect(await answered(http.fetch("/v1/presence?channel=off.a"))).toEqual(
    refusal(400, "disabled"),
  );
  expect(await answered(http.fetch("/v1/presence?channel=off.*"))).toEqual(
    refusal(400, "bad_channel"),
  );
});

test("channels are listed by name, by pattern and in pages", async () => {
  await using http = await HttpBroker.start();
  for (const channel of ["b.2", "a", "b.1", "b.3", "c"])
    await http.post("/v1/publish", { channel, payload: "" });
  const page = async (query: string): Promise<unknown> => {
    const { body } = await answered(http.fetch(`/v1/channels${query}`));
    const { channels, next } = body as { channels: { name: string }[]; next: string | null };
    return [channels.map(({ name }) => name).join(" "), next];
  };
  expect(await page("")).toEqual(["a b.1 b.2 b.3 c", null]);
  expect(await page("?pattern=b.*")).toEqual(["b.1 b.2 b.3", null]);
  expect(await page("?limit=2")).toEqual(["a b.1", "b.1"]);
  expect(await page("?limit=2&after=b.1")).toEqual(["b.2 b.3", "b.3"]);
  expect(await page("?limit=2&after=b.3")).toEqual(["c", null]);
  expect(await answered(http.fetch("/v1/channels?pattern=a..b"))).toEqual(
    refusal(400, "bad_channel"),
  );
  expect(await answered(http.fetch("/v1/channels?limit=0"))).toEqual(refusal(400, "bad_field"));
});
