// JSON objects, one level deep: which members there are, and the text of their values.

/** A member came twice, and readers would pick different ones. */
export class RepeatedMember extends Error {
  readonly member: string;

  constructor(member: string) {
    super(member);
    this.member = member;
  }
}

/** The text of a body, or `undefined` when it is not UTF-8. */
export function textOf(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
}

/**
 * The texts of the values of the members `names` of the JSON object `text`, or `undefined` when it is none.
 * Values are found and not parsed, so numbers keep their digits.
 */
export function members(text: string, names: readonly string[]): Map<string, string> | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  // From here on the text is known to be JSON, so it can be walked without looking at what it says.
  const found = new Map<string, string>();
  let at = skipSpace(text, 0);
  if (text[at] !== "{") return undefined;
  at = skipSpace(text, at + 1);
  while (text[at] !== "}") {
    const keyEnd = skipValue(text, at);
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, start);
    if (names.includes(key)) {
      if (found.has(key)) throw new RepeatedMember(key);
      found.set(key, text.slice(start, end));
    }
    at = skipSpace(text, end);
    if (text[at] === ",") at = skipSpace(text, at + 1);
  }
  return found;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && " \t\n\r".includes(text[at] as string)) at++;
  return at;
}

function skipString(text: string, from: number): number {
  let at = from + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function skipValue(text: string, from: number): number {
  let at = from;
  if (text[at] === '"') return skipString(text, at);
  if (text[at] !== "{" && text[at] !== "[") {
    while (at < text.length && !" \t\n\r,]}".includes(text[at] as string)) at++;
    return at;
  }
  let depth = 0;
  do {
    const character = text[at];
    if (character === '"') {
      at = skipString(text, at);
      continue;
    }
    if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth--;
    at++;
  } while (depth > 0);
  return at;
}

/** The whole number that the JSON object `body` has under `key`, once, not negative. */
export function bodyNumber(body: Uint8Array, key: string): bigint | undefined {
  const text = textOf(body);
  let value: string | undefined;
  try {
    value = text === undefined ? undefined : members(text, [key])?.get(key);
  } catch {
    return undefined;
  }
  if (value === undefined || !/^(0|[1-9][0-9]*)$/.test(value)) return undefined;
  const number = BigInt(value);
  return number < 1n << 63n ? number : undefined;
}
