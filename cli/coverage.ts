import { say } from "./output.ts";

/** What a broker says is missing in an answer of its whole cluster. */
export interface Coverage {
  readonly unreachable: readonly string[];
  readonly failed: readonly { readonly node: string; readonly message: string }[];
  readonly isPartial: boolean;
}

/** Says so on standard error when an answer is not of all nodes. @returns whether it did */
export function tellMissing({ unreachable, failed, isPartial }: Coverage): boolean {
  if (!isPartial) return false;
  if (unreachable.length > 0) say(`no answer from ${unreachable.join(", ")}`);
  for (const { node, message } of failed) say(`${node}: ${message}`);
  if (unreachable.length + failed.length === 0) {
    say("the broker cannot reach Redis: this is of itself alone");
  }
  return true;
}
