/**
 * Writes protocol/vectors/*.json from the code; with `--check` compares instead, and fails when they
 * differ. Tests hold the vectors against codecs of their own, so a mistake cannot confirm itself.
 */
import { acceptedVectors, largeVectors } from "./vectors/accepted.ts";
import { commandVectors } from "./vectors/commands.ts";
import { invalidVectors } from "./vectors/invalid.ts";
import { messageVectors } from "./vectors/messages.ts";
import { channelNameVectors, patternVectors } from "./vectors/names.ts";
import { serverVectors } from "./vectors/server-frames.ts";
import { toVector } from "./vectors/vector.ts";

const FOLDER = new URL("../protocol/vectors/", import.meta.url);

/** Content of every vector file by its name. */
function vectorFiles(): Map<string, unknown> {
  return new Map<string, unknown>([
    ["commands.json", commandVectors.map((source) => toVector(source, "to-broker"))],
    ["server-frames.json", serverVectors.map((source) => toVector(source, "to-client"))],
    ["messages.json", messageVectors()],
    ["accepted.json", acceptedVectors],
    ["large.json", largeVectors],
    ["invalid.json", invalidVectors],
    ["channel-names.json", channelNameVectors()],
    ["patterns.json", patternVectors()],
  ]);
}

/** Names of the files whose content is not what the code gives; layout does not count. */
export async function staleVectorFiles(): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, content] of vectorFiles()) {
    const file = Bun.file(new URL(name, FOLDER));
    const stored: unknown = (await file.exists()) ? await file.json() : null;
    if (JSON.stringify(stored) !== JSON.stringify(content)) stale.push(name);
  }
  return stale;
}

async function write(): Promise<number> {
  for (const [name, content] of vectorFiles()) {
    await Bun.write(new URL(name, FOLDER), `${JSON.stringify(content, null, 2)}\n`);
  }
  const formatter = Bun.spawn([process.execPath, "fmt", FOLDER.pathname], { stdout: "ignore" });
  return await formatter.exited;
}

async function check(): Promise<number> {
  const stale = await staleVectorFiles();
  for (const name of stale)
    console.error(`protocol/vectors/${name} is stale: run tools/vectors.ts`);
  return stale.length === 0 ? 0 : 1;
}

if (import.meta.main) {
  process.exitCode = await (process.argv.includes("--check") ? check() : write());
}
