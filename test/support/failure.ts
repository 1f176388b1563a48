/**
 * Resolves to what a promise rejects with.
 * @throws when the promise resolves
 */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (reason: unknown) => ({ reason }),
  );
  if ("value" in outcome) throw new Error("it was expected to fail", { cause: outcome.value });
  return outcome.reason instanceof Error ? outcome.reason : new Error(String(outcome.reason));
}
