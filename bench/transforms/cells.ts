import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { BrokerProcess, tickwireCommand } from "../broker-process.ts";
import { Tail } from "../support/children.ts";
import type { Children } from "../support/children.ts";
import { cpuBetween, machineCpuMs, processCpu, totalMs } from "../support/process-cpu.ts";
import type { LatencyJob, LatencyResult, LoopDelay, PassJob, PassResult } from "./job.ts";
import type { TransformBenchOptions } from "./options.ts";

/** What one round measures. `loop` is the contrast: a broker that does the work itself. */
export const MODES = ["idle", "pool", "loop"] as const;
export type Mode = (typeof MODES)[number];

export type Cell =
  | { readonly type: "pass"; readonly round: number; readonly way: PassJob["way"] }
  | { readonly type: "latency"; readonly round: number; readonly mode: Mode };

export interface SaturationResult {
  readonly latency: LatencyResult;
  readonly loop: LoopDelay;
  /** CPU of the broker's process, all threads, over the time; null without /proc. */
  readonly brokerBusy: number | null;
  /** Of everything else on the machine but this cell's processes. */
  readonly othersBusy: number | null;
}

export interface CellResult {
  readonly cell: Cell;
  readonly pass: PassResult | null;
  readonly saturation: SaturationResult | null;
  /** Why the cell could not be run; null when it was. */
  readonly error: string | null;
}

export interface CellContext {
  readonly options: TransformBenchOptions;
  readonly children: Children;
}

/** Beyond the load itself a cell may take this long, ms. */
const PATIENCE_MS = 30_000;
/** Publications with a delivery that is timed, a second. */
const PUBLICATIONS_PER_SECOND = 500;
const PLAIN_CHANNELS = 10;
/** Publications in the transform for each of its workers. */
const HEAVY_WINDOW = 8;

/** Runs one cell in processes of its own. Never rejects. */
export async function runCell(context: CellContext, cell: Cell): Promise<CellResult> {
  try {
    if (cell.type === "pass") {
      return { cell, pass: await runPass(context, cell.way), saturation: null, error: null };
    }
    return { cell, pass: null, saturation: await runSaturation(context, cell.mode), error: null };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { cell, pass: null, saturation: null, error: message };
  }
}

function runPass({ options, children }: CellContext, way: PassJob["way"]): Promise<PassResult> {
  const { payloadBytes, channels, windowSize, warmUpMs, measureMs } = options;
  const job: PassJob = { way, payloadBytes, channels, windowSize, warmUpMs, measureMs };
  return ask<PassResult>(children, "pass.entry.ts", job, warmUpMs + measureMs);
}

async function runSaturation(context: CellContext, mode: Mode): Promise<SaturationResult> {
  const { options, children } = context;
  const { warmUpMs, saturationMs: measureMs, taskMs, workers } = options;
  const probe = join(tmpdir(), `tickwire-bench-${randomUUID()}.sock`);
  const binding = {
    id: "heavy",
    use: fileURLToPath(new URL("heavy.ts", import.meta.url)),
    channels: ["heavy.>"],
    onError: "nack",
    workers,
  };
  try {
    await using broker = await BrokerProcess.start(children, {
      command: [
        "--preload",
        fileURLToPath(new URL("loop-probe.ts", import.meta.url)),
        ...tickwireCommand(options.entry),
        "--transforms",
        JSON.stringify([binding]),
      ],
      env: { BENCH_PROBE: probe, BENCH_LOOP_TASK_MS: String(mode === "loop" ? taskMs : 0) },
      processor: null,
      profileDir: null,
    });
    const job: LatencyJob = {
      port: broker.port,
      publicationsPerSecond: PUBLICATIONS_PER_SECOND,
      channels: PLAIN_CHANNELS,
      heavyWindow: mode === "pool" ? HEAVY_WINDOW * workers : 0,
      taskMs,
      warmUpMs,
      measureMs,
    };
    const running = ask<LatencyResult>(children, "latency.entry.ts", job, warmUpMs + measureMs);
    const settled = running.catch(() => null);
    await Promise.race([settled, Bun.sleep(warmUpMs)]);
    await readProbe(probe);
    const from = usage(broker.pid);
    const latency = await running;
    const to = usage(broker.pid);
    const loop = await readProbe(probe);
    const cpu = cpuBetween(from.broker, to.broker);
    const elapsedMs = to.nowMs - from.nowMs;
    const brokerMs = cpu === null ? null : totalMs(cpu);
    const machineMs =
      from.machineMs === null || to.machineMs === null ? null : to.machineMs - from.machineMs;
    return {
      latency,
      loop,
      brokerBusy: brokerMs === null ? null : brokerMs / elapsedMs,
      othersBusy:
        brokerMs === null || machineMs === null
          ? null
          : Math.max(0, machineMs - brokerMs - latency.cpuMs) / elapsedMs,
    };
  } finally {
    rmSync(probe, { force: true });
  }
}

function usage(pid: number) {
  return { nowMs: performance.now(), broker: processCpu(pid), machineMs: machineCpuMs() };
}

/** What the broker's event loop did since it was last asked. */
async function readProbe(path: string): Promise<LoopDelay> {
  const response = await fetch("http://localhost/", { unix: path });
  return (await response.json()) as LoopDelay;
}

/** Runs a program of this folder with a job on its standard input. @throws Error with what it said */
async function ask<Result>(
  children: Children,
  entry: string,
  job: object,
  loadMs: number,
): Promise<Result> {
  const path = fileURLToPath(new URL(entry, import.meta.url));
  const command = [process.execPath, "--no-orphans", path];
  const child = children.spawn(command, process.env, process.cwd(), JSON.stringify(job));
  const errors = new Tail(child.stderr);
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS + loadMs);
  const [output] = await Promise.all([
    new Response(child.stdout).text(),
    child.exited,
    errors.ended,
  ]);
  clearTimeout(timer);
  if (output === "") throw new Error(`${entry} ended without a result\n${errors.text}`);
  const result = JSON.parse(output) as Result | { readonly error: string };
  if (typeof result === "object" && result !== null && "error" in result) {
    throw new Error(result.error);
  }
  return result;
}
