/** Keeps a processor busy with work that cannot be left out, for about `ms`. Returns a result of it. */
export function burn(ms: number): number {
  const endMs = performance.now() + ms;
  let state = 1;
  while (performance.now() < endMs) {
    for (let i = 0; i < 1000; i++) state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  }
  return state;
}
