import type { Coverage } from "../../cluster/coverage.ts";

/** Fields of an answer of all nodes: what of it is missing. */
export const COVERAGE = {
  unreachable: {
    type: "array",
    items: { type: "string" },
    description: "Nodes that did not answer in time.",
  },
  failed: {
    type: "array",
    items: {
      type: "object",
      properties: { node: { type: "string" }, message: { type: "string" } },
      required: ["node", "message"],
    },
    description: "Nodes that could not, and why.",
  },
  isPartial: {
    type: "boolean",
    description: "Some node is missing: unreachable, failed, or all others because Redis is away.",
  },
} as const;

export const COVERAGE_NAMES = [
  "unreachable",
  "failed",
  "isPartial",
] as const satisfies readonly (keyof Coverage)[];
