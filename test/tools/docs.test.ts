import { expect, test } from "bun:test";
import { pathToFileURL } from "node:url";

import { renderDocs, staleDocs, writeDocs } from "../../tools/docs.ts";
import { TempFolder } from "../support/temp-folder.ts";

test("the generated pages are what the tables say (run `bun tools/docs.ts`)", async () => {
  expect(await staleDocs()).toEqual([]);
});

test("a page that is missing or changed is found, and written anew", async () => {
  await using temp = await TempFolder.create();
  const folder = pathToFileURL(`${temp.path}/`);
  const names = [...renderDocs().keys()];
  expect(await staleDocs(folder)).toEqual(names);
  await writeDocs(names, folder);
  expect(await staleDocs(folder)).toEqual([]);
  const codes = Bun.file(new URL("codes.md", folder));
  await Bun.write(codes, (await codes.text()).replace("4001", "4099"));
  expect(await staleDocs(folder)).toEqual(["codes.md"]);
});
