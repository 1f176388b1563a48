/** A module of one function, `spin`, that loops for ever. */
const MODULE = "AGFzbQEAAAABBAFgAAADAgEABwgBBHNwaW4AAAoJAQcAA0AMAAsL";

/** Source text that has `spin` for what follows it: no one can end the thread that calls it. */
export const ENDLESS_WASM_HEAD = `
  const wasm = new WebAssembly.Module(Uint8Array.fromBase64("${MODULE}"));
  const { spin } = new WebAssembly.Instance(wasm).exports;`;
