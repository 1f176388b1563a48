import { cpus, release, totalmem, type as osType } from "node:os";

/** What a figure cannot be read without. */
export interface Environment {
  readonly bun: string;
  readonly bunRevision: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  /** ISO 8601, UTC. */
  readonly date: string;
}

export function environment(): Environment {
  const processors = cpus();
  return {
    bun: Bun.version,
    bunRevision: Bun.revision.slice(0, 9),
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    kernel: `${osType()} ${release()}`,
    date: new Date().toISOString(),
  };
}

/** Where the two processes of a cell run: `null` where the scheduler decides. */
export interface Pinning {
  readonly broker: number;
  readonly load: number;
}

/** Broker and generator each get a processor of their own, where taskset and two processors exist. */
export function findPinning(): Pinning | null {
  if (Bun.which("taskset") === null) return null;
  const shown = Bun.spawnSync(["taskset", "-cp", String(process.pid)]);
  const list = parseCpuList(shown.stdout.toString().split(":").at(-1) ?? "");
  const [broker, load] = list;
  return broker === undefined || load === undefined ? null : { broker, load };
}

/** Reads a list like `0-2,5` to its numbers; what is no number or range is left out. */
export function parseCpuList(text: string): number[] {
  return [...text.matchAll(/(\d+)(?:-(\d+))?/g)].flatMap(([, first, last = first]) => {
    const from = Number(first);
    return Array.from({ length: Number(last) - from + 1 }, (_, i) => from + i);
  });
}

/** A command that runs on the given processor. */
export function pinned(command: readonly string[], processor: number | null): string[] {
  return processor === null ? [...command] : ["taskset", "-c", String(processor), ...command];
}
