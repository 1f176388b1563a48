/** A part of a text, in UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly kind: "word" | "name" | "email" | "card" | "iban" | "phone";
}

// Every repetition has a bound, and what follows it begins with another character: no text makes these slow.
const email = /[\p{L}\d.+_-]{1,64}@[\p{L}\d-]{1,63}(?:\.[\p{L}\d-]{1,63}){1,8}/gu;
const card = /(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)/g;
const iban = /(?<![A-Za-z\d])[A-Z]{2}\d{2}(?: ?[A-Z\d]){11,30}(?![A-Za-z\d])/g;
const phone = /(?<!\d)\+\d(?:[ ().-]{0,2}\d){7,14}(?!\d)/g;

const LUHN_MODULUS = 10;
const IBAN_MODULUS = 97;

/** What looks like an address, a card, an account or a telephone number, and has the right check digits. */
export function findPersonalData(text: string): Span[] {
  return [
    ...matches(text, email, "email", () => true),
    ...matches(text, card, "card", isCardNumber),
    ...matches(text, iban, "iban", isIban),
    ...matches(text, phone, "phone", () => true),
  ];
}

function matches(
  text: string,
  pattern: RegExp,
  kind: Span["kind"],
  isMeant: (found: string) => boolean,
): Span[] {
  return [...text.matchAll(pattern)]
    .filter(([found]) => isMeant(found))
    .map(({ index, 0: found }) => ({ start: index, end: index + found.length, kind }));
}

/** The Luhn check of payment cards. */
export function isCardNumber(text: string): boolean {
  let sum = 0;
  let isDoubled = false;
  for (const digit of text.replaceAll(/\D/g, "").split("").toReversed()) {
    const value = Number(digit) * (isDoubled ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
    isDoubled = !isDoubled;
  }
  return sum % LUHN_MODULUS === 0;
}

/** The check of ISO 13616: letters as numbers from 10, the first four characters at the end, 1 modulo 97. */
export function isIban(text: string): boolean {
  const plain = text.replaceAll(" ", "");
  const moved = plain.slice(4) + plain.slice(0, 4);
  let remainder = 0;
  for (const char of moved) {
    const value = Number.parseInt(char, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % IBAN_MODULUS;
  }
  return remainder === 1;
}
