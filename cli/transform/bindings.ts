import { UsageError } from "../errors.ts";
import { ask, RefusedError } from "./admin.ts";
import type { AdminOptions } from "./admin.ts";

const NOT_FOUND = 404;

/** What a command says of a binding that the broker does not have. */
export function unknownBinding(id: string, known: readonly string[]): string {
  const names = [...new Set(known)].join(", ");
  return `there is no binding ${id}; there are ${names === "" ? "none" : names}`;
}

/**
 * Asks the broker about a binding; when it has no such binding, the error says which there are.
 * @throws UsageError for a binding there is not; CliError when the broker cannot be reached; RefusedError
 */
export async function askAbout(
  id: string,
  options: AdminOptions,
  path: string,
  body: object,
): Promise<unknown> {
  try {
    return await ask(options, path, body);
  } catch (error) {
    if (!(error instanceof RefusedError) || error.status !== NOT_FOUND) throw error;
    const known = await bindings(options);
    // The binding is there: something else was not found, such as a node.
    if (known === null || known.includes(id)) throw error;
    throw new UsageError(unknownBinding(id, known), { cause: error });
  }
}

/** Null when the broker does not say. */
async function bindings(options: AdminOptions): Promise<string[] | null> {
  try {
    const answer = await ask(options, "/v1/transforms");
    return (answer as { readonly transforms: readonly { id: string }[] }).transforms.map(
      (one) => one.id,
    );
  } catch {
    return null;
  }
}
