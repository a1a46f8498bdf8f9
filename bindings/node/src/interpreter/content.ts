// Which bytes are signed, in which order: the same template language as the core's.

import { WebhookConfigurationError } from "../errors.js";
import { concat, type Chunk } from "./bytes.js";

type Variable = "body" | "form" | "ts" | "id" | "url" | "method";
type Segment = { literal: string } | { variable: Variable };

/** The values of the variables for one message. */
export type Parts = Readonly<Record<Variable, Chunk>>;

const VARIABLES: readonly string[] = ["body", "form", "ts", "id", "url", "method"];

/** Bytes that a variable may contain, so that a separator after it must not start with one. */
const ALPHABETS: Partial<Record<Variable, RegExp>> = { id: /[\w:@/+=~-]/, ts: /\d/, method: /[A-Za-z]/ };

export class Content {
  readonly #segments: readonly Segment[];

  constructor(template: string, adjacentVariables: boolean) {
    const segments = split(template);
    checkVariables(segments);
    if (!adjacentVariables) checkSeparation(segments);
    this.#segments = segments;
  }

  uses(variable: Variable): boolean {
    return this.#segments.some((segment) => "variable" in segment && segment.variable === variable);
  }

  /** The signed bytes, piece by piece, texts that touch in one. */
  chunks(parts: Parts): Chunk[] {
    const chunks: Chunk[] = [];
    let text = "";
    for (const segment of this.#segments) {
      const chunk = "variable" in segment ? parts[segment.variable] : segment.literal;
      if (typeof chunk === "string") {
        text += chunk;
        continue;
      }
      if (text !== "") chunks.push(text);
      text = "";
      chunks.push(chunk);
    }
    if (text !== "") chunks.push(text);
    return chunks;
  }
}

function split(template: string): Segment[] {
  const segments: Segment[] = [];
  let literal = "";
  let rest = template;
  const flush = () => {
    if (literal !== "") segments.push({ literal });
    literal = "";
  };
  for (;;) {
    const at = rest.search(/[{}]/);
    if (at < 0) break;
    literal += rest.slice(0, at);
    rest = rest.slice(at);
    if (rest.startsWith("{{") || rest.startsWith("}}")) {
      literal += rest[0];
      rest = rest.slice(2);
      continue;
    }
    const name = /^\{([^}]*)\}/.exec(rest)?.[1];
    if (name === undefined) throw refused("a brace is not closed, or closes nothing");
    if (!VARIABLES.includes(name)) throw refused("the variables are body, form, ts, id, url and method");
    flush();
    segments.push({ variable: name as Variable });
    rest = rest.slice(name.length + 2);
  }
  literal += rest;
  flush();
  return segments;
}

function checkVariables(segments: readonly Segment[]): void {
  const count = (wanted: Variable) =>
    segments.filter((segment) => "variable" in segment && segment.variable === wanted).length;
  if (count("body") + count("form") !== 1) throw refused("exactly one of {body} and {form} must be signed");
  if ((["ts", "id", "url", "method"] as const).some((variable) => count(variable) > 1)) {
    throw refused("a variable occurs twice");
  }
}

function checkSeparation(segments: readonly Segment[]): void {
  segments.forEach((segment, at) => {
    const next = segments[at + 1];
    if (!("variable" in segment) || next === undefined) return;
    if ("variable" in next) {
      throw refused(
        "two variables touch, so the signed bytes can be split in two ways; put a separator between them, or set " +
          "adjacent_variables = true for a platform that leaves no choice",
      );
    }
    if (ALPHABETS[segment.variable]?.test(next.literal[0] as string)) {
      throw refused(
        "the separator after a variable must start with a character that the variable cannot contain, such as a " +
          "full stop after {id}",
      );
    }
  });
}

function refused(reason: string): WebhookConfigurationError {
  return new WebhookConfigurationError("invalid_scheme", `content template: ${reason}`);
}

/** The fields of a form body, decoded, sorted by name and value, without repetitions, joined with nothing between. */
export function sortedForm(body: Uint8Array): Uint8Array {
  const fields: [Uint8Array, Uint8Array][] = [];
  let start = 0;
  for (let at = 0; at <= body.length; at++) {
    if (at < body.length && body[at] !== 0x26) continue;
    const field = body.subarray(start, at);
    start = at + 1;
    if (field.length === 0) continue;
    const split = field.indexOf(0x3d);
    fields.push(
      split < 0
        ? [formDecoded(field), new Uint8Array(0)]
        : [formDecoded(field.subarray(0, split)), formDecoded(field.subarray(split + 1))],
    );
  }
  fields.sort((left, right) => order(left[0], right[0]) || order(left[1], right[1]));
  const distinct = fields.filter(
    (field, at) => at === 0 || order(field[0], fields[at - 1]![0]) !== 0 || order(field[1], fields[at - 1]![1]) !== 0,
  );
  return concat(distinct.flat());
}

function order(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const difference = left[at]! - right[at]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Undoes the encoding of form fields. A percent sign that starts no escape stands for itself, as in browsers. */
function formDecoded(text: Uint8Array): Uint8Array {
  const decoded = new Uint8Array(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] as number;
    const high = byte === 0x25 ? nibble(text[at + 1]) : -1;
    const low = high >= 0 ? nibble(text[at + 2]) : -1;
    if (low >= 0) {
      decoded[length++] = high * 16 + low;
      at += 2;
    } else {
      decoded[length++] = byte === 0x2b ? 0x20 : byte;
    }
  }
  return decoded.subarray(0, length);
}

function nibble(digit: number | undefined): number {
  if (digit === undefined) return -1;
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30;
  const letter = digit | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** The hex SHA-256 that the URL's last query parameter gives for the body. Earlier ones do not count. */
export function bodyDigestInUrl(url: string, name: string): string | undefined {
  const question = url.indexOf("?");
  if (question < 0) return undefined;
  const last = url
    .slice(question + 1)
    .split("&")
    .pop() as string;
  return last.startsWith(`${name}=`) ? last.slice(name.length + 1) : undefined;
}

/** The URL with its default port written out if it had none, and without its port if it had one. */
export function withPortToggled(url: string): string | undefined {
  const split = /^(https?):\/\/([^/?#]*)(.*)$/s.exec(url);
  if (split === null) return undefined;
  const [, scheme, authority, path] = split as unknown as [string, string, string, string];
  // An IPv6 address has colons of its own, inside brackets.
  const colon = authority.indexOf(":", authority.lastIndexOf("]") + 1) < 0 ? -1 : authority.lastIndexOf(":");
  return colon < 0
    ? `${scheme}://${authority}:${scheme === "https" ? 443 : 80}${path}`
    : `${scheme}://${authority.slice(0, colon)}${path}`;
}
