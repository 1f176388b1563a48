import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { resolveModule } from "../../workers/runtime/resolve-module.ts";
import { CaseError, parseCases } from "../../workers/testing/case-file.ts";
import type { TransformCase } from "../../workers/testing/case-file.ts";
import type { TestMessage } from "../../workers/testing/message.ts";
import { caseFiles } from "../../workers/testing/packaged-cases.ts";
import { CliError } from "../errors.ts";
import type { Target } from "./target.ts";

/** What the cases beside a transform say of its use. */
export interface Samples {
  /** Configuration of the first case; null when there is none. */
  readonly config: unknown;
  /** Messages of all cases with that configuration, without those that shall fail unless there are no others. */
  readonly messages: readonly TestMessage[];
}

/** @throws CliError for a file that cannot be read */
export async function packagedSamples({ use, directory }: Target): Promise<Samples> {
  const cases: TransformCase[] = [];
  for (const file of await filesOf(use, directory)) {
    try {
      cases.push(...parseCases(await readFile(file, "utf8"), file));
    } catch (error) {
      if (error instanceof CaseError) throw new CliError(error.message, { cause: error });
      throw error;
    }
  }
  const config = cases[0]?.config ?? null;
  const alike = cases.filter((one) => Bun.deepEquals(one.config ?? null, config));
  const good = alike.flatMap(({ messages, expected }) =>
    messages.filter((_, i) => expected[i]?.verdict.type !== "fail"),
  );
  const all = alike.flatMap(({ messages }) => messages);
  return { config, messages: good.length > 0 ? good : all };
}

async function filesOf(use: string, directory: string): Promise<string[]> {
  let place: ReturnType<typeof resolveModule>;
  try {
    place = resolveModule(use, directory);
  } catch (error) {
    throw new CliError((error as Error).message, { cause: error });
  }
  const beside = await caseFiles(join(dirname(place.file), "cases"));
  return beside.length > 0 ? beside : caseFiles(join(place.root, "cases"));
}
