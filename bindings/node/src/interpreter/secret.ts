// Secrets: what a person copies, and the key that a scheme makes of it.

import { WebhookConfigurationError } from "../errors.js";
import { unbase64, unhex, utf8 } from "./bytes.js";
import { usesKeyPair, type Algorithm, type KeyFormat, type Scheme } from "./scheme.js";

const MAX_SECRET_BYTES = 1024;
const MAX_SECRETS = 16;

/** Keys below this many bytes are within reach of guessing. */
const SHORT_KEY_BYTES = 16;

const SHARED_PREFIX = "whsec_";
const PAIR_PREFIXES = ["whsk_", "whpk_"];

const FORMATS: Record<KeyFormat, string> = {
  utf8: "text",
  base64: "padded base64",
  hex: "hex",
  "standard-webhooks": "padded base64 after an optional `whsec_`, or after `whsk_` or `whpk_`",
};

/** Whether a scheme is the one that a secret was made for, or signs beside it. */
export type KeyRole = "primary" | "companion";

/** One secret's bytes, for one algorithm. */
export interface KeyMaterial {
  readonly secretIndex: number;
  readonly algorithm: Algorithm;
  readonly bytes: Uint8Array;
}

/** Checks the texts and makes every key that the scheme can have of them. */
export function keyRing(scheme: Scheme, secrets: readonly string[], role: KeyRole): KeyMaterial[] {
  if (secrets.length === 0) {
    throw new WebhookConfigurationError("empty_secret", "no secret was given; signing and verifying need at least one");
  }
  if (secrets.length > MAX_SECRETS) {
    throw invalid(`${secrets.length} secrets were given and at most ${MAX_SECRETS} are allowed; retire old ones`);
  }
  secrets.forEach(check);
  return secrets.flatMap((secret, secretIndex) => {
    const fitting = scheme.algorithms.filter((algorithm) => isOfKind(secret, algorithm, scheme.description.key));
    if (fitting.length === 0) throw wrongKind(scheme);
    return fitting.map((algorithm) => ({ secretIndex, algorithm, bytes: keyBytes(secret, algorithm, scheme, role) }));
  });
}

/** Whether a secret is so short that it can be guessed. */
export function isShort(secret: string): boolean {
  const decoded = secret.startsWith(SHARED_PREFIX) ? unbase64(secret.slice(SHARED_PREFIX.length)) : undefined;
  return (decoded ?? utf8(secret)).length < SHORT_KEY_BYTES;
}

function check(secret: string): void {
  if (secret === "") {
    throw new WebhookConfigurationError(
      "empty_secret",
      "the secret is empty; with an empty key anyone can sign, so set one before starting",
    );
  }
  const { length } = utf8(secret);
  if (length > MAX_SECRET_BYTES) {
    throw invalid(`the secret is ${length} bytes long and at most ${MAX_SECRET_BYTES} are allowed`);
  }
  if (secret.trim() !== secret) {
    throw invalid("the secret begins or ends with white space; remove it, or the two sides will use different keys");
  }
  if (/\p{Cc}/u.test(secret)) throw invalid("the secret contains a control character");
}

function isOfKind(secret: string, algorithm: Algorithm, format: KeyFormat): boolean {
  const isHalf = PAIR_PREFIXES.some((prefix) => secret.startsWith(prefix));
  return usesKeyPair(algorithm) ? isHalf || format !== "standard-webhooks" : !isHalf;
}

function keyBytes(secret: string, algorithm: Algorithm, scheme: Scheme, role: KeyRole): Uint8Array {
  const format = scheme.description.key;
  if (usesKeyPair(algorithm)) {
    const half = decoded(format === "standard-webhooks" ? secret.slice(PAIR_PREFIXES[0]!.length) : secret, format);
    if (half === undefined) throw undecodable(format);
    return half;
  }
  if (format === "utf8") return utf8(secret);
  const bytes = decoded(
    secret.startsWith(SHARED_PREFIX) && format === "standard-webhooks" ? secret.slice(6) : secret,
    format,
  );
  if (bytes?.length === 0) {
    throw new WebhookConfigurationError(
      "empty_secret",
      "the secret is empty; with an empty key anyone can sign, so set one before starting",
    );
  }
  if (bytes !== undefined) return bytes;
  // The platform's own scheme takes this text as it is, and so does the signature beside it.
  if (role === "companion") return utf8(secret);
  throw undecodable(format);
}

function decoded(text: string, format: KeyFormat): Uint8Array | undefined {
  if (format === "utf8") return undefined;
  return format === "hex" ? unhex(text) : unbase64(text);
}

function wrongKind(scheme: Scheme): WebhookConfigurationError {
  const algorithm = scheme.algorithms.find(usesKeyPair);
  return algorithm === undefined
    ? invalid("the secret is a public or private key (whpk_/whsk_), not a shared secret; this scheme needs the latter")
    : notAKey(algorithm);
}

/** The bytes are no key of this algorithm. */
export function notAKey(algorithm: Algorithm): WebhookConfigurationError {
  return invalid(`the secret is not an ${algorithm} key; this scheme needs one half of such a key pair`);
}

/** Signing was asked of a public key. */
export function publicKey(): WebhookConfigurationError {
  return invalid("the secret is a public key, which can only verify; signing needs the private half of the pair");
}

function undecodable(format: KeyFormat): WebhookConfigurationError {
  return invalid(`the secret is not valid ${FORMATS[format]}, which this scheme requires`);
}

function invalid(message: string): WebhookConfigurationError {
  return new WebhookConfigurationError("invalid_secret", message);
}
