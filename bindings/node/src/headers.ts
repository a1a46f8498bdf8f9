// Headers on their way in: every shape that Node and the web have for them, read without regard to case.

import { WebhookVerificationError } from "./errors.js";

/** Anything with the shape of the web's `Headers`. */
export interface HeadersObject extends Iterable<[string, string]> {
  get(name: string): string | null;
}

/** Headers as they come: a `Headers` object, Node's `req.headers`, a plain object, or pairs with repetitions. */
export type HeadersLike =
  | HeadersObject
  | Iterable<readonly [string, string]>
  | { readonly [name: string]: string | readonly string[] | undefined };

const MAX_HEADER_BYTES = 4096;

/** The headers that one endpoint reads. */
export class HeaderSlots {
  /** Their names in lower case. */
  readonly names: readonly string[];
  /** Marks the lengths and first letters of the names, so that nearly every other header is passed over in a step. */
  readonly #marks = new Uint8Array(MARKS);

  constructor(names: readonly string[]) {
    this.names = names.map((name) => name.toLowerCase());
    for (const name of this.names) this.#marks[markOf(name)] = 1;
  }

  /**
   * The values in the order of the names, one per line, for headers that are a plain object with lower-case names and
   * one value each, as Node's are, or a `Headers` object. `undefined` for all others; take `list` then.
   */
  line(headers: HeadersLike): string | undefined {
    const { names } = this;
    if (typeof headers !== "object" || headers === null) return undefined;
    if (isHeadersObject(headers)) {
      let line = headers.get(names[0] as string) ?? "";
      for (let at = 1; at < names.length; at++) line += "\n" + (headers.get(names[at] as string) ?? "");
      return line;
    }
    if (Symbol.iterator in headers) return undefined;
    const plain = headers as { readonly [name: string]: unknown };
    let line = "";
    let found = 0;
    for (let at = 0; at < names.length; at++) {
      const value = plain[names[at] as string];
      if (at > 0) line += "\n";
      if (value === undefined) continue;
      if (typeof value !== "string") return undefined;
      line += value;
      found++;
    }
    // More headers that could be one of these than were found: another spelling of a name, and perhaps a second value.
    const marks = this.#marks;
    for (const key in plain) found -= marks[markOf(key)] as number;
    return found === 0 ? line : undefined;
  }

  /** Names and values in turns, repetitions and all, without the headers that nobody reads. */
  list(headers: HeadersLike): string[] {
    const values = this.line(headers)?.split("\n");
    const listed: string[] = [];
    if (values?.length === this.names.length) {
      values.forEach((value, at) => value !== "" && listed.push(this.names[at] as string, value));
      return listed;
    }
    for (const [name, value] of pairs(headers)) {
      const lower = String(name).toLowerCase();
      if (this.names.includes(lower)) listed.push(lower, value);
    }
    return listed;
  }
}

const MARKS = 1 << 12;

/** The same for all spellings of a name: its length, and its first letter without the bit that is its case. */
function markOf(name: string): number {
  return ((name.length << 5) | (name.charCodeAt(0) & 31)) & (MARKS - 1);
}

function isHeadersObject(headers: HeadersLike): headers is HeadersObject {
  return typeof (headers as HeadersObject)?.get === "function" && !(headers instanceof Map);
}

/** All names and values in turns, for those who look at more than an endpoint reads. */
export function listAll(headers: HeadersLike): string[] {
  return [...pairs(headers)].flatMap(([name, value]) => [name, value]);
}

function* pairs(headers: HeadersLike): Generator<readonly [string, string]> {
  if (typeof headers !== "object" || headers === null) {
    throw new TypeError("the headers must be a Headers object, a plain object such as req.headers, or pairs");
  }
  if (Symbol.iterator in headers) {
    for (const [name, value] of headers as Iterable<readonly [string, string]>) yield [name, String(value)];
    return;
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || value === null) continue;
    for (const single of Array.isArray(value) ? (value as readonly string[]) : [value as string]) {
      yield [name, String(single)];
    }
  }
}

/** Node's `rawHeaders`, names and values in turns, as pairs: the only place where repetitions are still visible. */
export function rawPairs(rawHeaders: readonly string[]): (readonly [string, string])[] {
  const listed: (readonly [string, string])[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    listed.push([rawHeaders[at] as string, rawHeaders[at + 1] as string]);
  }
  return listed;
}

/** Headers that can be read more than once: an iterator is used up by the first reader. */
export function rereadable(headers: HeadersLike): HeadersLike {
  return typeof (headers as { next?: unknown } | undefined)?.next === "function"
    ? [...(headers as Iterable<readonly [string, string]>)]
    : headers;
}

/** Headers as the interpreter looks them up: by the core's rules. */
export class ReadHeaders {
  readonly #listed: readonly string[];

  /** `listed` has names in lower case and values in turns. */
  constructor(listed: readonly string[]) {
    this.#listed = listed;
  }

  /** The values of the headers of that name. */
  all(name: string): string[] {
    const lower = name.toLowerCase();
    const values: string[] = [];
    for (let at = 0; at < this.#listed.length; at += 2) {
      if (this.#listed[at] === lower) values.push(this.#listed[at + 1] as string);
    }
    return values;
  }

  /** The name and value of the one header that goes by any of `names`, which are spellings of one thing. */
  find(names: readonly string[]): [string, string] | undefined {
    let found: [string, string] | undefined;
    for (const name of names) {
      const [value, second] = this.all(name);
      if (value === undefined) continue;
      if (second !== undefined) {
        throw new WebhookVerificationError(
          "duplicate_header",
          `header ${name} came more than once; exactly one is allowed, because readers pick different ones`,
          { header: name },
        );
      }
      if (value === "") continue;
      if (value.length > MAX_HEADER_BYTES) {
        throw new WebhookVerificationError(
          "malformed_header",
          `header ${name} is longer than any honest sender makes it`,
          { header: name },
        );
      }
      if (found !== undefined && found[1] !== value) {
        throw new WebhookVerificationError(
          "duplicate_header",
          `headers ${found[0]} and ${name} mean the same and differ; the sender must send one, or equal values`,
          { header: found[0] },
        );
      }
      found ??= [name, value];
    }
    return found;
  }

  /** As `find`, for a header that the scheme cannot do without. */
  require(names: readonly string[]): [string, string] {
    const found = this.find(names);
    if (found !== undefined) return found;
    const header = names[0] as string;
    throw new WebhookVerificationError(
      "missing_header",
      `header ${header} is missing or empty; check that the sender signs and that no proxy drops it`,
      { header },
    );
  }
}
