// Profiles as data, interpreted: the envelope around an event, and the headers beside the signature.

import { WebhookConfigurationError, WebhookVerificationError } from "../errors.js";
import type { ReadHeaders } from "../headers.js";
import { concat, utf8 } from "./bytes.js";
import { members, RepeatedMember, textOf } from "./json.js";
import type { SchemeDescription } from "./scheme.js";

type FieldValue = "id" | "type" | "rfc3339" | "unix-seconds" | "data" | "extra";

export interface EnvelopeField {
  readonly name: string;
  readonly value: FieldValue;
  /** For `data`: the key of a further object around it. */
  readonly inside?: string;
  readonly optional?: boolean;
}

/** How a platform delivers, with the keys that profile files have; what only a sender needs may be left out. */
export interface ProfileDescription {
  readonly name: string;
  readonly title?: string;
  readonly scheme: string | SchemeDescription;
  readonly also_sign?: readonly string[];
  readonly envelope: readonly EnvelopeField[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly content_type?: string;
  readonly [other: string]: unknown;
}

/** An envelope, taken apart. */
export interface Envelope {
  id?: string | undefined;
  eventType?: string | undefined;
  occurredAtMs?: number | undefined;
  /** JSON text. */
  readonly data: string;
  /** What stands beside the data: fields and JSON texts in turns. */
  extras?: string[];
}

/** Checks what reading depends on. */
export function checkProfile(profile: ProfileDescription): void {
  const count = (...values: FieldValue[]) => profile.envelope.filter((field) => values.includes(field.value)).length;
  const names = new Set(profile.envelope.map((field) => field.name));
  const refused = (reason: string) => new WebhookConfigurationError("invalid_profile", `envelope: ${reason}`);
  if (count("data") !== 1 || count("type") !== 1) {
    throw refused("exactly one field must hold the type and exactly one the data");
  }
  if (count("id") > 1 || count("rfc3339", "unix-seconds") > 1)
    throw refused("the id and the time can be in one field each");
  if (names.size !== profile.envelope.length) throw refused("two fields have the same name");
}

/** Takes the envelope of a verified request apart, and refuses it if an unsigned header contradicts it. */
export function parseRequest(profile: ProfileDescription, body: Uint8Array, headers: ReadHeaders): Envelope {
  const envelope = parse(profile.envelope, body);
  for (const [header, template] of Object.entries(profile.headers ?? {})) {
    const [value, second] = headers.all(header);
    if (value === undefined) continue;
    if (second !== undefined) {
      throw new WebhookVerificationError("duplicate_header", `header ${header} came more than once`, { header });
    }
    const canTell =
      (envelope.id !== undefined || !template.includes("{id}")) &&
      (envelope.eventType !== undefined || !template.includes("{type}"));
    if (canTell && value !== filled(template, envelope.id ?? "", envelope.eventType ?? "")) {
      throw new WebhookVerificationError(
        "header_mismatch",
        `header ${header} contradicts the signed body; trust neither`,
        { header },
      );
    }
  }
  return envelope;
}

/** The body that the platform would send. */
export function render(
  profile: ProfileDescription,
  event: { id: string; type: string; occurredAtMs: number; data: Uint8Array; extras: readonly string[] },
): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (const field of profile.envelope) {
    const at = event.extras.findIndex((name, turn) => turn % 2 === 0 && name === field.name);
    if (field.value === "extra" && at < 0) continue;
    pieces.push(utf8(`${pieces.length === 0 ? "{" : ","}${JSON.stringify(field.name)}:`));
    if (field.value === "id") pieces.push(utf8(JSON.stringify(event.id)));
    else if (field.value === "type") pieces.push(utf8(JSON.stringify(event.type)));
    else if (field.value === "rfc3339") pieces.push(utf8(JSON.stringify(rfc3339(event.occurredAtMs))));
    else if (field.value === "unix-seconds") pieces.push(utf8(String(Math.floor(event.occurredAtMs / 1000))));
    else if (field.value === "extra") pieces.push(utf8(event.extras[at + 1] as string));
    else if (field.inside === undefined) pieces.push(event.data);
    else pieces.push(utf8(`{${JSON.stringify(field.inside)}:`), event.data, utf8("}"));
  }
  pieces.push(utf8("}"));
  return concat(pieces);
}

/** The headers that the platform sends beside the signature: names and values in turns. */
export function extraHeaders(profile: ProfileDescription, id: string, type: string): string[] {
  return Object.entries(profile.headers ?? {}).flatMap(([name, template]) => {
    const value = filled(template, id, type);
    return /^(?! )[ -~]{0,4096}(?<! )$/.test(value) ? [name, value] : [];
  });
}

function parse(fields: readonly EnvelopeField[], body: Uint8Array): Envelope {
  const text = textOf(body);
  const values =
    text === undefined
      ? undefined
      : membersOf(
          text,
          fields.map((field) => field.name),
          "",
        );
  if (values === undefined) throw refused("the body is not a JSON object");
  const envelope = { data: "", extras: [] as string[] } as Mutable<Envelope>;
  for (const field of fields) {
    const value = values.get(field.name);
    if (value === undefined) {
      if (field.optional) continue;
      throw refused(`the envelope lacks \`${field.name}\``);
    }
    if (field.value === "id") envelope.id = textField(field, value);
    else if (field.value === "type") envelope.eventType = textField(field, value);
    else if (field.value === "rfc3339") envelope.occurredAtMs = rfc3339Field(field, value);
    else if (field.value === "unix-seconds") envelope.occurredAtMs = secondsField(field, value);
    else if (field.value === "extra") envelope.extras?.push(field.name, value);
    else envelope.data = dataField(field, value);
  }
  return envelope;
}

function membersOf(text: string, names: readonly string[], path: string): Map<string, string> | undefined {
  try {
    return members(text, names);
  } catch (error) {
    if (!(error instanceof RepeatedMember)) throw error;
    const field = path === "" ? error.member : `${path}.${error.member}`;
    throw refused(`the envelope has \`${field}\` twice; readers would pick different ones`);
  }
}

function textField(field: EnvelopeField, value: string): string {
  const text: unknown = JSON.parse(value);
  // A lone surrogate has no bytes that could be compared with a header's.
  const hasText = typeof text === "string" && text !== "" && !/[\uD800-\uDFFF]/u.test(text);
  if (!hasText) throw invalid(field, "a string that is not empty");
  return text;
}

function rfc3339Field(field: EnvelopeField, value: string): number {
  const text: unknown = JSON.parse(value);
  const time = typeof text === "string" ? parseRfc3339(text) : undefined;
  if (time === undefined) throw invalid(field, 'a date and time such as "2024-01-15T10:30:00Z"');
  return time;
}

function secondsField(field: EnvelopeField, value: string): number {
  const milliseconds = /^-?(0|[1-9][0-9]*)$/.test(value) ? BigInt(value) * 1000n : undefined;
  if (milliseconds === undefined || BigInt.asIntN(64, milliseconds) !== milliseconds) {
    throw invalid(field, "a whole number of Unix seconds");
  }
  return Number(milliseconds);
}

function dataField(field: EnvelopeField, value: string): string {
  if (field.inside === undefined) return value;
  const inner = membersOf(value, [field.inside], field.name);
  if (inner === undefined) throw refused("the body is not a JSON object");
  const data = inner.get(field.inside);
  if (data === undefined) throw refused(`the envelope lacks \`${field.name}.${field.inside}\``);
  return data;
}

function filled(template: string, id: string, type: string): string {
  return template.replace(/\{id\}|\{type\}/g, (variable) => (variable === "{id}" ? id : type));
}

function rfc3339(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19)}Z`;
}

/** Unix milliseconds; fractions beyond that are cut off. */
function parseRfc3339(text: string): number | undefined {
  const form = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/.exec(text);
  if (form === null) return undefined;
  const number = (at: number) => Number(form[at] ?? 0);
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map(number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const days = month === 2 && (year % 4 !== 0 || (year % 100 === 0 && year % 400 !== 0)) ? 28 : DAYS[month - 1];
  if (days === undefined || day < 1 || day > days) return undefined;
  if (hour > 23 || minute > 59 || second > 60 || number(9) > 23 || number(10) > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const offset = (number(9) * 60 + number(10)) * (form[8] === "-" ? -1 : 1);
  const milliseconds = Number((form[7] ?? "").slice(0, 3).padEnd(3, "0"));
  return date.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milliseconds;
}

type Mutable<T> = { -readonly [Member in keyof T]: T[Member] };

const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function invalid(field: EnvelopeField, expected: string): WebhookVerificationError {
  return refused(`\`${field.name}\` in the envelope must be ${expected}`);
}

function refused(message: string): WebhookVerificationError {
  return new WebhookVerificationError("invalid_payload", message);
}
