// What an engine makes of the options of a `Webhook`.

import { WebhookConfigurationError } from "./errors.js";
import type { ProfileName } from "./generated/profiles.js";
import type { SchemeName } from "./generated/schemes.js";
import type { HeaderSlots } from "./headers.js";
import type { ProfileDescription } from "./interpreter/profile.js";
import type { SchemeDescription } from "./interpreter/scheme.js";

export interface EndpointConfig {
  readonly secrets: readonly string[];
  readonly scheme: SchemeName | SchemeDescription | undefined;
  readonly profile: ProfileName | ProfileDescription | undefined;
  readonly tolerance: number | null | undefined;
  /** Private keys as text. */
  readonly decryptionKeys: readonly string[];
}

export interface Endpoint {
  readonly slots: HeaderSlots;
  readonly schemes: readonly string[];
  /** Whether a verifier has to be told the URL that the sender used. */
  readonly signsUrl: boolean;
  readonly hasShortSecret: boolean;
}

/** How to recognise a webhook. Without a scheme and a profile it is Standard Webhooks. */
export interface WebhookOptions<
  Scheme extends SchemeName | SchemeDescription = SchemeName | SchemeDescription,
  Profile extends ProfileName | ProfileDescription = ProfileName | ProfileDescription,
> {
  /** How it is signed: a built-in scheme by name, or the description of another. */
  readonly scheme?: Scheme | undefined;
  /** A platform's scheme, envelope and headers together: a built-in profile by name, or the description of another. */
  readonly profile?: Profile | undefined;
  /** How many seconds a signed time may be from now. Absent: what the scheme says. `null`: not looked at. */
  readonly tolerance?: number | null | undefined;
  /**
   * Private keys for platforms that encrypt what they send: JWKs as objects or text, or shared keys in base64url. The
   * signature is checked first, and then an encrypted body is decrypted.
   */
  readonly decryptionKeys?: readonly (string | object)[] | undefined;
}

const MAX_TOLERANCE = 0xffff_ffff;

/** Checks what JavaScript lets through. */
export function endpointConfig(
  secret: string | readonly string[],
  { scheme, profile, tolerance, decryptionKeys = [] }: WebhookOptions,
): EndpointConfig {
  const secrets = typeof secret === "string" ? [secret] : secret;
  if (!Array.isArray(secrets) || !secrets.every((text) => typeof text === "string")) {
    throw new WebhookConfigurationError(
      "empty_secret",
      "the secret must be a string or a list of strings; is the environment variable with it set?",
    );
  }
  if (scheme !== undefined && profile !== undefined) {
    throw new WebhookConfigurationError("invalid_option", "give a scheme or a profile; a profile has its own scheme");
  }
  const isTolerance =
    tolerance === undefined ||
    tolerance === null ||
    (Number.isInteger(tolerance) && tolerance >= 0 && tolerance <= MAX_TOLERANCE);
  if (!isTolerance) {
    throw new WebhookConfigurationError(
      "invalid_option",
      "the tolerance is a whole number of seconds, or null for none",
    );
  }
  const keys = decryptionKeys.map((key) => (typeof key === "string" ? key : JSON.stringify(key)));
  return { secrets, scheme, profile, tolerance, decryptionKeys: keys };
}
