// Bytes and their spellings, read strictly: one spelling for one thing, except for the case of hex digits.

const encoder = new TextEncoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Bytes, or text that stands for its bytes in UTF-8. */
export type Chunk = Uint8Array | string;

export function concat(chunks: readonly Chunk[]): Uint8Array {
  const parts = chunks.map((chunk) => (typeof chunk === "string" ? utf8(chunk) : chunk));
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Compares without revealing in time where the first difference is. Lengths are public. */
export function equal(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let at = 0; at < left.length; at++) difference |= (left[at] as number) ^ (right[at] as number);
  return difference === 0;
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Reads all of `text`, or nothing: a decoder that stops at the first bad digit accepts rubbish behind a signature. */
export function unhex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    const high = HEX[text.charCodeAt(at * 2)] ?? NONE;
    const low = HEX[text.charCodeAt(at * 2 + 1)] ?? NONE;
    if ((high | low) & 0xf0) return undefined;
    bytes[at] = (high << 4) | low;
  }
  return bytes;
}

export function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Reads padded, canonical base64 and nothing else. */
export function unbase64(text: string): Uint8Array | undefined {
  const { length } = text;
  if (length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((length / 4) * 3 - padding);
  let bits = 0;
  for (let at = 0, to = 0; at < length - padding; at++) {
    const digit = BASE64[text.charCodeAt(at)] ?? NONE;
    if (digit === NONE) return undefined;
    bits = ((bits << 6) | digit) & 0xffffff;
    // The first character of four fills no byte, the others one each.
    if (at % 4 !== 0) bytes[to++] = bits >> (6 - (at % 4) * 2);
  }
  // The last character can carry bits that belong to no byte; only zero is canonical.
  const spare = padding === 2 ? 0xf : padding === 1 ? 0x3 : 0;
  return (bits & spare) === 0 ? bytes : undefined;
}

const NONE = 0xff;
const HEX = table("0123456789abcdef");
"ABCDEF".split("").forEach((digit, at) => (HEX[digit.charCodeAt(0)] = at + 10));
const BASE64 = table("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

/** The value of each digit by its character's number, and `NONE` for all other characters. */
function table(digits: string): Uint8Array {
  const values = new Uint8Array(128).fill(NONE);
  for (let value = 0; value < digits.length; value++) values[digits.charCodeAt(value)] = value;
  return values;
}
