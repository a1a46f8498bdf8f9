import type { CoreCode } from "./generated/codes.js";

/** What only a framework's adapter can find out, before or after the signature. */
export type AdapterCode =
  | "body_consumed"
  | "body_incomplete"
  | "body_too_large"
  | "invalid_schema"
  | "method_not_allowed"
  | "source_not_allowed";

/** Why a request was refused. */
export type VerificationErrorCode = Exclude<CoreCode, "empty_secret" | "invalid_secret" | "invalid_key"> | AdapterCode;

/** Why an endpoint cannot be set up. */
export type ConfigurationErrorCode =
  | Extract<CoreCode, "empty_secret" | "invalid_secret" | "invalid_key">
  | "unknown_scheme"
  | "unknown_profile"
  | "invalid_scheme"
  | "invalid_profile"
  | "invalid_option";

const VERIFICATION = Symbol.for("hookwright.WebhookVerificationError");
const CONFIGURATION = Symbol.for("hookwright.WebhookConfigurationError");

/** The answers that senders understand: never 2xx, and never 410, which makes some of them give up for good. */
const STATUS: Partial<Record<VerificationErrorCode, number>> = {
  invalid_payload: 400,
  invalid_schema: 400,
  // The body is signed, so its sender and this receiver disagree about a key.
  malformed_jwe: 400,
  unsupported_algorithm: 400,
  decryption_failed: 400,
  body_incomplete: 400,
  source_not_allowed: 403,
  method_not_allowed: 405,
  body_too_large: 413,
  // The receiver itself is put together wrongly; the sender can only try again later.
  body_consumed: 500,
};

/** A field that is not as its schema says. */
export interface SchemaViolation {
  /** Where, as a JSON Pointer into the event's data. */
  path: string;
  /** What is wrong with it. */
  message: string;
}

export interface VerificationErrorDetails {
  /** The header at fault, as its sender spells it. */
  header?: string | undefined;
  violations?: readonly SchemaViolation[] | undefined;
}

/** A request was refused. `code` is stable; the message is for people and says what to look at. */
export class WebhookVerificationError extends Error {
  readonly code: VerificationErrorCode;
  /** The HTTP status to answer with. */
  readonly status: number;
  readonly header: string | undefined;
  /** For `invalid_schema`: what is wrong with the data. */
  readonly violations: readonly SchemaViolation[] | undefined;

  constructor(code: VerificationErrorCode, message: string, details: VerificationErrorDetails = {}) {
    super(message);
    this.code = code;
    this.status = STATUS[code] ?? 401;
    this.header = details.header;
    this.violations = details.violations;
  }

  // The package may be loaded twice, as ES module and as CommonJS, and an error of one copy is one of the other.
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && VERIFICATION in value;
  }

  get [VERIFICATION](): true {
    return true;
  }
}
WebhookVerificationError.prototype.name = "WebhookVerificationError";

/** An endpoint cannot be set up: thrown by constructors only, so that a program with a bad secret does not start. */
export class WebhookConfigurationError extends Error {
  readonly code: ConfigurationErrorCode;

  constructor(code: ConfigurationErrorCode, message: string) {
    super(message);
    this.code = code;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && CONFIGURATION in value;
  }

  get [CONFIGURATION](): true {
    return true;
  }
}
WebhookConfigurationError.prototype.name = "WebhookConfigurationError";
