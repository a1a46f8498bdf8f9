// Schemes as data, interpreted: where no native code loads, the same descriptions are read here.

import { WebhookConfigurationError } from "../errors.js";
import { Content } from "./content.js";

export type Algorithm = "hmac-sha1" | "hmac-sha256" | "hmac-sha512" | "ed25519" | "ecdsa-p256-sha256-der";
export type KeyFormat = "utf8" | "base64" | "hex" | "standard-webhooks";
export type Encoding = "hex" | "base64";

/** How one platform signs, with the keys that scheme files have. The core's documentation explains them. */
export interface SchemeDescription {
  readonly name: string;
  readonly title?: string;
  readonly reference?: string;
  readonly content: string;
  readonly adjacent_variables?: boolean;
  readonly body_digest_query?: string;
  readonly port_may_differ?: boolean;
  readonly key: KeyFormat;
  readonly algorithm?: Algorithm;
  readonly signature: {
    readonly headers: readonly string[];
    readonly encoding: Encoding;
    readonly item_separator?: string;
    readonly tag_separator?: string;
    readonly timestamp_tag?: string;
    readonly tags?: readonly { readonly tag: string; readonly algorithm: Algorithm }[];
  };
  readonly timestamp?: {
    readonly headers?: readonly string[];
    readonly body_field?: string;
    readonly unit?: "seconds" | "milliseconds";
    readonly tolerance_seconds?: number;
  };
  readonly id?: { readonly headers: readonly string[] };
}

/** A scheme whose description has been checked. */
export interface Scheme {
  readonly description: SchemeDescription;
  readonly content: Content;
  /** In the order of preference, each once. */
  readonly algorithms: readonly Algorithm[];
  readonly headers: readonly string[];
}

const ALGORITHMS: readonly string[] = ["hmac-sha1", "hmac-sha256", "hmac-sha512", "ed25519", "ecdsa-p256-sha256-der"];

export function usesKeyPair(algorithm: Algorithm): boolean {
  return algorithm === "ed25519" || algorithm === "ecdsa-p256-sha256-der";
}

/** Checks a description by the core's rules. */
export function compileScheme(description: SchemeDescription): Scheme {
  checkKeys(description);
  const { signature, timestamp, id, algorithm } = description;
  const content = new Content(description.content, description.adjacent_variables ?? false);
  const tags = signature.tags ?? [];
  const isBare = algorithm !== undefined && signature.tag_separator === undefined;
  const isTagged = algorithm === undefined && signature.tag_separator !== undefined && tags.length > 0;
  if (!(isBare && tags.length === 0 && signature.timestamp_tag === undefined) && !isTagged) {
    throw contradiction("a scheme has either `algorithm`, or `signature.tag_separator` with `signature.tags`");
  }
  if (signature.tag_separator !== undefined) checkSeparator(signature.tag_separator);
  const names = [...tags.map(({ tag }) => tag), ...(signature.timestamp_tag ? [signature.timestamp_tag] : [])];
  if (signature.timestamp_tag === "" || names.includes("") || new Set(names).size !== names.length) {
    throw contradiction("tags must be distinct and not empty");
  }
  if (signature.item_separator !== undefined) {
    checkSeparator(signature.item_separator[0] ?? "a");
    if (!/^. *$/.test(signature.item_separator)) {
      throw contradiction("`signature.item_separator` is one character, and perhaps spaces after it");
    }
  }
  const headers = [
    ...checkNames(signature.headers),
    ...(timestamp?.headers?.length ? checkNames(timestamp.headers) : []),
    ...(id ? checkNames(id.headers) : []),
  ];
  checkTimestamp(description);
  if ((timestamp !== undefined && timestamp.body_field === undefined) !== content.uses("ts")) {
    throw contradiction("`[timestamp]` and {ts} in `content` go together: one that is not signed proves nothing");
  }
  if ((id !== undefined) !== content.uses("id")) {
    throw contradiction("`[id]` and {id} in `content` go together: one that is not signed proves nothing");
  }
  if (description.body_digest_query !== undefined && !(content.uses("form") && content.uses("url"))) {
    throw contradiction("`body_digest_query` is for `content` with {url} and {form}");
  }
  if (description.port_may_differ && !content.uses("url")) {
    throw contradiction("`port_may_differ` is for `content` with {url}");
  }
  const algorithms = [...new Set([...(algorithm ? [algorithm] : []), ...tags.map((tagged) => tagged.algorithm)])];
  if (!algorithms.every((name) => ALGORITHMS.includes(name))) {
    throw contradiction(`the algorithms are ${ALGORITHMS.join(", ")}`);
  }
  checkPairs(description, algorithms);
  return { description, content, algorithms, headers };
}

/** A misspelt key is an error and not a silent default. */
function checkKeys(description: SchemeDescription): void {
  const parts: readonly (readonly [unknown, readonly string[]])[] = [
    [description, KEYS],
    [description.signature, SIGNATURE_KEYS],
    [description.timestamp, ["headers", "body_field", "unit", "tolerance_seconds"]],
    [description.id, ["headers"]],
  ];
  for (const [part, known] of parts) {
    const unknown = Object.keys(part ?? {}).find((key) => !known.includes(key));
    if (unknown !== undefined) throw contradiction(`there is no key \`${unknown}\`; the keys are ${known.join(", ")}`);
  }
}

const KEYS = [
  ...["name", "title", "reference", "content", "adjacent_variables", "body_digest_query", "port_may_differ"],
  ...["key", "algorithm", "signature", "timestamp", "id"],
];
const SIGNATURE_KEYS = ["headers", "encoding", "item_separator", "tag_separator", "timestamp_tag", "tags"];

/** Checks that the text of a secret can tell what kind of key it holds. */
function checkPairs({ key }: SchemeDescription, algorithms: readonly Algorithm[]): void {
  if (!algorithms.some(usesKeyPair) || key === "standard-webhooks") return;
  if (key === "utf8") throw contradiction("key pairs are written as hex, base64 or standard-webhooks, not as utf8");
  if (!algorithms.every(usesKeyPair)) {
    throw contradiction(
      'shared secrets and key pairs in one scheme need `key = "standard-webhooks"`, whose prefixes tell them apart: a ' +
        "public key taken for a shared secret would let everyone sign",
    );
  }
}

function checkTimestamp({ signature, timestamp }: SchemeDescription): void {
  const tag = signature.timestamp_tag;
  if (tag !== undefined && signature.item_separator === undefined) {
    throw contradiction("`signature.timestamp_tag` needs `signature.item_separator`");
  }
  if (tag !== undefined && timestamp === undefined) {
    throw contradiction("`signature.timestamp_tag` needs a `[timestamp]` section");
  }
  if (timestamp === undefined) return;
  const places = [tag !== undefined, Boolean(timestamp.headers?.length), Boolean(timestamp.body_field)];
  if (places.filter(Boolean).length !== 1) {
    throw contradiction("a timestamp has one place: `headers`, `body_field`, or `signature.timestamp_tag`");
  }
}

function checkSeparator(separator: string): void {
  if (!/^[ -/:-@[-`{-~]$/.test(separator)) {
    throw contradiction("separators are ASCII characters other than letters and digits");
  }
}

function checkNames(names: readonly string[]): readonly string[] {
  if (!(names?.length > 0)) throw contradiction("`headers` needs at least one name");
  for (const name of names) {
    if (!/^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,128}$/.test(name)) {
      throw contradiction(
        `\`${name.slice(0, 40)}\` is not a header name: 1 to 128 characters out of letters, digits and ` +
          "!#$%&'*+-.^_`|~ are",
      );
    }
  }
  return names;
}

function contradiction(reason: string): WebhookConfigurationError {
  return new WebhookConfigurationError("invalid_scheme", reason);
}
