// What both entries export, the native one and the one for the edge.

export type { Body } from "./body.js";
export type { WebhookOptions } from "./endpoint.js";
export {
  WebhookConfigurationError,
  WebhookVerificationError,
  type AdapterCode,
  type ConfigurationErrorCode,
  type SchemaViolation,
  type VerificationErrorCode,
} from "./errors.js";
export type { CoreCode } from "./generated/codes.js";
export type * from "./generated/events.js";
export type { ProfileName } from "./generated/profiles.js";
export type { SchemeName } from "./generated/schemes.js";
export type { Explanation } from "./explanation.js";
export type { HandshakeReply, HandshakeSettings } from "./handshake.js";
export type { HeadersLike, HeadersObject } from "./headers.js";
export type { ProfileDescription as Profile, ProfileDescription } from "./interpreter/profile.js";
export type { SchemeDescription as Scheme, SchemeDescription } from "./interpreter/scheme.js";
export type {
  AnyEventOf,
  EventMap,
  EventOf,
  EventsOf,
  EventToSign,
  SignedMessage,
  SignOptions,
  VerifyOptions,
} from "./types.js";
export { VerifiedWebhook } from "./verified.js";
