/** What Piscina calls for each message: it gets the message, and hands the payload back. */
export function handle({ payload }: { readonly payload: Uint8Array }): Uint8Array {
  return payload;
}
