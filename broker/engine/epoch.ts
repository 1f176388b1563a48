const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** `length` random characters of 6 bits each. */
export function randomId(length: number): string {
  let id = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(length))) id += ALPHABET[byte & 63];
  return id;
}

/** A new stream's epoch: 60 random bits, so that two incarnations of a stream never share one. */
export function randomEpoch(): string {
  return randomId(10);
}
