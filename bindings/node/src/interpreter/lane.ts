// One scheme with its keys: the verifier and the signer, in the core's order of checks.
//
// The work of hashing is asked for and not done here: a generator yields each piece of it and gets the answer back,
// so that one text serves node:crypto, which answers at once, and WebCrypto, which answers later.

import { WebhookVerificationError } from "../errors.js";
import type { ReadHeaders } from "../headers.js";
import { base64, equal, hex, unbase64, unhex, type Chunk } from "./bytes.js";
import { bodyDigestInUrl, sortedForm, withPortToggled, type Parts } from "./content.js";
import { bodyNumber } from "./json.js";
import type { Envelope } from "./profile.js";
import { usesKeyPair, type Algorithm, type Encoding, type Scheme } from "./scheme.js";
import { keyRing, type KeyMaterial, type KeyRole } from "./secret.js";

/** A piece of work for the cryptography underneath. `verify` is for key pairs; `mac` and `sign` answer with bytes. */
export type Work<Key> =
  | { readonly do: "mac"; readonly key: Key; readonly chunks: readonly Chunk[] }
  | { readonly do: "verify"; readonly key: Key; readonly chunks: readonly Chunk[]; readonly signature: Uint8Array }
  | { readonly do: "sign"; readonly key: Key; readonly chunks: readonly Chunk[] }
  | { readonly do: "sha256"; readonly chunks: readonly Chunk[] };

/** What a piece of work comes to. */
export type Answer = Uint8Array | boolean;
export type Steps<Key, Result> = Generator<Work<Key>, Result, Answer>;

/** A key that the cryptography underneath has made ready. */
export interface ReadyKey<Key> extends KeyMaterial {
  readonly key: Key;
}

/** What a request gives a scheme to check. */
export interface SignedRequest {
  readonly headers: ReadHeaders;
  readonly body: Uint8Array;
  readonly method: string;
  readonly url: string;
}

/** What a valid signature vouches for. */
export interface Vouched {
  readonly id: string | undefined;
  readonly timestamp: number | undefined;
  readonly scheme: string;
  readonly secretIndex: number;
}

/** That, with what the body says. */
export interface Reception {
  readonly vouched: Vouched;
  readonly envelope: Envelope;
}

/** `undefined` asks for the scheme's own tolerance, `null` for none. */
export type Tolerance = number | null | undefined;

const MAX_SIGNATURE_ITEMS = 32;
const MAC_BYTES: Partial<Record<Algorithm, number>> = {
  "hmac-sha1": 20,
  "hmac-sha256": 32,
  "hmac-sha512": 64,
  ed25519: 64,
};
const MIN_DER_BYTES = 8;
const MAX_DER_BYTES = 72;

const EMPTY = new Uint8Array(0);

export class Lane<Key> {
  readonly scheme: Scheme;
  readonly keys: readonly ReadyKey<Key>[];

  constructor(scheme: Scheme, secrets: readonly string[], role: KeyRole, ready: (material: KeyMaterial) => Key) {
    this.scheme = scheme;
    this.keys = keyRing(scheme, secrets, role).map((material) => ({ ...material, key: ready(material) }));
  }

  /** Whether the request has a signature header of this scheme. */
  isPresent(request: SignedRequest): boolean {
    return request.headers.find(this.scheme.description.signature.headers) !== undefined;
  }

  *verify(request: SignedRequest, now: number, tolerance: Tolerance): Steps<Key, Vouched> {
    const { description, content } = this.scheme;
    const [header, value] = request.headers.require(description.signature.headers);
    const idFound = description.id && request.headers.require(description.id.headers);
    const timeFound = description.timestamp?.headers?.length
      ? request.headers.require(description.timestamp.headers)
      : undefined;

    const id = idFound && checkedId(...idFound);
    const items = this.#items(header, value);
    const time = timeFound ?? this.#timestampItem(header, items);
    const signed = time && checkedTimestamp(...time);
    const candidates = this.#candidates(header, items);

    const digest = description.body_digest_query && bodyDigestInUrl(request.url, description.body_digest_query);
    const isForm = content.uses("form");
    const parts: Parts = {
      body: request.body,
      form: isForm && digest === undefined ? sortedForm(request.body) : EMPTY,
      ts: time?.[1] ?? "",
      id: id ?? "",
      url: request.url,
      method: request.method,
    };
    let secretIndex = yield* this.#compare(candidates, parts);
    const toggled = description.port_may_differ ? withPortToggled(request.url) : undefined;
    if (toggled !== undefined) {
      const other = yield* this.#compare(candidates, { ...parts, url: toggled });
      secretIndex ??= other;
    }
    let digestMatches = true;
    if (digest !== undefined) {
      const actual = (yield { do: "sha256", chunks: [request.body] }) as Uint8Array;
      digestMatches = equal(unhex(digest) ?? EMPTY, actual);
    }
    if (secretIndex === undefined || !digestMatches) {
      throw new WebhookVerificationError(
        "signature_mismatch",
        `no signature in ${header} matches; check the secret, and that the body is passed exactly as received, not ` +
          "parsed and written again",
        { header },
      );
    }
    const timestamp = this.#freshTimestamp(request.body, signed, Math.floor(now), tolerance);
    return { id, timestamp, scheme: description.name, secretIndex };
  }

  /** The signature headers of a message: names and values in turns. Every key must be able to sign. */
  *sign(message: {
    id: string;
    timestamp: number;
    body: Uint8Array;
    method: string;
    url: string;
  }): Steps<Key, string[]> {
    const { description, content } = this.scheme;
    const { signature, timestamp, id } = description;
    const inMilliseconds = timestamp?.unit === "milliseconds";
    const time = timestamp ? String(Math.floor(message.timestamp) * (inMilliseconds ? 1000 : 1)) : "";
    const vouches =
      description.body_digest_query && bodyDigestInUrl(message.url, description.body_digest_query) !== undefined;
    const parts: Parts = {
      body: message.body,
      form: content.uses("form") && !vouches ? sortedForm(message.body) : EMPTY,
      ts: time,
      id: message.id,
      url: message.url,
      method: message.method,
    };
    const chunks = content.chunks(parts);
    const items: string[] = [];
    if (signature.timestamp_tag !== undefined)
      items.push(`${signature.timestamp_tag}${signature.tag_separator}${time}`);
    // Each secret signs once, and where there is room for one signature only, the newest does.
    const once = this.keys.filter((key, at) => key.secretIndex !== this.keys[at - 1]?.secretIndex);
    for (const { algorithm, key } of signature.item_separator === undefined ? once.slice(0, 1) : once) {
      const bytes = (yield { do: usesKeyPair(algorithm) ? "sign" : "mac", key, chunks }) as Uint8Array;
      const tag = signature.tags?.find((tagged) => tagged.algorithm === algorithm)?.tag;
      const text = signature.encoding === "hex" ? hex(bytes) : base64(bytes);
      items.push(tag === undefined ? text : `${tag}${signature.tag_separator}${text}`);
    }
    const headers: string[] = [];
    if (id) headers.push(id.headers[0] as string, message.id);
    if (timestamp?.headers?.length) headers.push(timestamp.headers[0] as string, time);
    headers.push(signature.headers[0] as string, items.join(signature.item_separator ?? ""));
    return headers;
  }

  #items(header: string, value: string): string[] {
    const separator = this.scheme.description.signature.item_separator?.[0];
    if (separator === undefined) return [value];
    const items = value
      .split(separator)
      .map((item) => item.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, ""))
      .filter((item) => item !== "");
    if (items.length > MAX_SIGNATURE_ITEMS) {
      throw malformed(header, "holds more signatures than any honest sender sends");
    }
    return items;
  }

  #timestampItem(header: string, items: readonly string[]): [string, string] | undefined {
    const { timestamp_tag: tag, tag_separator: separator } = this.scheme.description.signature;
    if (tag === undefined) return undefined;
    const texts = items.map((item) => splitTag(item, separator)).filter((split) => split?.[0] === tag);
    if (texts.length === 0) throw malformed(header, "lacks the timestamp that the scheme puts there");
    if (texts.length > 1) throw malformed(header, "holds two timestamps; readers would pick different ones");
    return [header, (texts[0] as [string, string])[1]];
  }

  /** The signatures that decode and that there is a key for. All else is skipped: it says nothing about its neighbour. */
  #candidates(header: string, items: readonly string[]): { algorithm: Algorithm; signature: Uint8Array }[] {
    const { signature, algorithm: bare } = this.scheme.description;
    const candidates: { algorithm: Algorithm; signature: Uint8Array }[] = [];
    let wanted: Algorithm | undefined;
    let hasTags = bare !== undefined;
    for (const item of items) {
      const split = bare === undefined ? splitTag(item, signature.tag_separator) : ["", item];
      if (split === undefined) continue;
      const [tag, text] = split as [string, string];
      if (bare === undefined && tag !== signature.timestamp_tag) hasTags = true;
      const algorithm = bare ?? signature.tags?.find((tagged) => tagged.tag === tag)?.algorithm;
      if (algorithm === undefined || !this.keys.some((key) => key.algorithm === algorithm)) continue;
      wanted ??= algorithm;
      const bytes = decoded(text, signature.encoding, algorithm);
      if (bytes !== undefined) candidates.push({ algorithm, signature: bytes });
    }
    if (candidates.length > 0) return candidates;
    if (wanted !== undefined) {
      throw new WebhookVerificationError(
        "malformed_signature",
        `header ${header} holds no signature of the right length and encoding (${described(signature.encoding, wanted)})`,
        { header },
      );
    }
    if (!hasTags) throw malformed(header, "holds no version-tagged signature; the scheme's form is different");
    throw new WebhookVerificationError(
      "no_supported_signature",
      `header ${header} holds no signature of a version that this secret can check; check the secret's kind`,
      { header },
    );
  }

  /** Compares every signature with every key of its algorithm, and answers with the first secret that matches. */
  *#compare(
    candidates: readonly { algorithm: Algorithm; signature: Uint8Array }[],
    parts: Parts,
  ): Steps<Key, number | undefined> {
    const chunks = this.scheme.content.chunks(parts);
    let secretIndex: number | undefined;
    for (const { key, algorithm, secretIndex: index } of this.keys) {
      const claimed = candidates.filter((candidate) => candidate.algorithm === algorithm);
      if (claimed.length === 0) continue;
      let hit = false;
      if (usesKeyPair(algorithm)) {
        for (const { signature } of claimed) {
          const verifies = (yield { do: "verify", key, chunks, signature }) as boolean;
          hit = verifies || hit;
        }
      } else {
        const expected = (yield { do: "mac", key, chunks }) as Uint8Array;
        for (const { signature } of claimed) hit = equal(signature, expected) || hit;
      }
      if (hit) secretIndex ??= index;
    }
    return secretIndex;
  }

  /** The time in Unix seconds, once it is known to be authentic and near enough to `now`. */
  #freshTimestamp(body: Uint8Array, signed: bigint | undefined, now: number, tolerance: Tolerance): number | undefined {
    const { timestamp } = this.scheme.description;
    if (timestamp === undefined) return undefined;
    const seconds = tolerance === undefined ? timestamp.tolerance_seconds : (tolerance ?? undefined);
    let number = signed;
    if (timestamp.body_field !== undefined) {
      number = bodyNumber(body, timestamp.body_field);
      if (number === undefined && seconds === undefined) return undefined;
      if (number === undefined) {
        throw new WebhookVerificationError(
          "invalid_timestamp",
          `the body must hold the time as a number in \`${timestamp.body_field}\`, and does not; without it a replay ` +
            "looks fresh",
        );
      }
    }
    if (number === undefined) return undefined;
    const perSecond = timestamp.unit === "milliseconds" ? 1000n : 1n;
    if (seconds !== undefined) checkFreshness(number, perSecond, now, seconds);
    return Number(number / perSecond);
  }
}

function checkFreshness(number: bigint, perSecond: bigint, now: number, tolerance: number): void {
  const age = BigInt(Math.floor(now)) * perSecond - number;
  const distance = age < 0n ? -age : age;
  if (distance <= BigInt(tolerance) * perSecond) return;
  const seconds = (distance + perSecond - 1n) / perSecond;
  throw age > 0n
    ? new WebhookVerificationError(
        "timestamp_too_old",
        `the message is ${seconds} s old and ${tolerance} s are tolerated; check this machine's clock`,
      )
    : new WebhookVerificationError(
        "timestamp_too_new",
        `the message is ${seconds} s in the future and ${tolerance} s are tolerated; check the clocks`,
      );
}

function checkedId(header: string, value: string): string {
  if (/^[\w:@/+=~-]{1,256}$/.test(value)) return value;
  throw new WebhookVerificationError(
    "invalid_id",
    `header ${header} must be 1 to 256 characters out of A-Z a-z 0-9 _ : @ / + = ~ -`,
    { header },
  );
}

/** A decimal number without sign, leading zero or any other freedom. */
function checkedTimestamp(header: string, text: string): bigint {
  if (/^(0|[1-9][0-9]{0,15})$/.test(text)) return BigInt(text);
  throw new WebhookVerificationError(
    "invalid_timestamp",
    `the timestamp in ${header} must be digits only, without sign, spaces or leading zeros, 16 at most`,
    { header },
  );
}

function splitTag(item: string, separator: string | undefined): [string, string] | undefined {
  const at = item.indexOf(separator ?? "=");
  return at < 0 ? undefined : [item.slice(0, at), item.slice(at + 1)];
}

function decoded(text: string, encoding: Encoding, algorithm: Algorithm): Uint8Array | undefined {
  if (text.length > MAX_DER_BYTES * 2) return undefined;
  const bytes = encoding === "hex" ? unhex(text) : unbase64(text);
  const length = bytes?.length ?? 0;
  const wanted = MAC_BYTES[algorithm];
  const fits = wanted === undefined ? length >= MIN_DER_BYTES && length <= MAX_DER_BYTES : length === wanted;
  return fits ? bytes : undefined;
}

function described(encoding: Encoding, algorithm: Algorithm): string {
  const bytes = MAC_BYTES[algorithm];
  if (encoding === "hex") return bytes === undefined ? "hex digits" : `${bytes * 2} hex digits`;
  return bytes === undefined ? "base64 with padding" : `${Math.ceil(bytes / 3) * 4} base64 characters with padding`;
}

function malformed(header: string, problem: string): WebhookVerificationError {
  return new WebhookVerificationError("malformed_header", `header ${header} ${problem}`, { header });
}
