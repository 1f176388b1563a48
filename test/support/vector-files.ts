import type { JsonForm } from "./plain-json.ts";

/** The golden vectors, as protocol/vectors/ holds them; PROTOCOL.md says what the fields mean. */

export interface Vector {
  readonly name: string;
  readonly clause: string;
  readonly direction: "to-broker" | "to-client";
  readonly frame: JsonForm[];
  readonly hex: string;
  readonly json: string;
}

export interface MessageVector {
  readonly name: string;
  readonly clause: string;
  readonly direction: "to-broker" | "to-client";
  readonly frames: JsonForm[][];
  readonly hex: string;
  readonly json: string;
}

export interface AcceptedVector {
  readonly name: string;
  readonly clause: string;
  readonly direction: "to-broker" | "to-client";
  readonly hex?: string;
  readonly json?: string;
  readonly means: JsonForm[];
}

export interface LargeVector {
  readonly name: string;
  readonly clause: string;
  readonly hex: string;
  readonly fill: { readonly byte: string; readonly count: number };
  readonly jsonBefore: string;
  readonly jsonAfter: string;
}

export interface InvalidVector {
  readonly name: string;
  readonly clause: string;
  readonly hex?: string;
  readonly json?: string;
  readonly code: number;
  readonly codeName: string;
  readonly fatal: boolean;
  readonly requestId: number;
}

export interface ChannelNameVector {
  readonly clause: string;
  readonly value: string;
  readonly kind: "name" | "pattern" | "invalid";
}

export interface PatternVectors {
  readonly matches: readonly {
    readonly clause: string;
    readonly pattern: string;
    readonly name: string;
    readonly matches: boolean;
  }[];
  readonly covers: readonly {
    readonly clause: string;
    readonly granted: string;
    readonly requested: string;
    readonly covers: boolean;
  }[];
}

const FOLDER = new URL("../../protocol/vectors/", import.meta.url);

async function load<Content>(name: string): Promise<Content> {
  return (await Bun.file(new URL(name, FOLDER)).json()) as Content;
}

/** Reads every vector file. */
export async function loadVectors() {
  return {
    commands: await load<Vector[]>("commands.json"),
    serverFrames: await load<Vector[]>("server-frames.json"),
    messages: await load<MessageVector[]>("messages.json"),
    accepted: await load<AcceptedVector[]>("accepted.json"),
    large: await load<LargeVector[]>("large.json"),
    invalid: await load<InvalidVector[]>("invalid.json"),
    channelNames: await load<ChannelNameVector[]>("channel-names.json"),
    patterns: await load<PatternVectors>("patterns.json"),
  };
}
