// Generated from crates/core by scripts/generate.mjs. Do not edit.

/** Why the core refuses a request or a secret. */
export type CoreCode =
  | "missing_header"
  | "duplicate_header"
  | "malformed_header"
  | "no_supported_signature"
  | "malformed_signature"
  | "signature_mismatch"
  | "invalid_id"
  | "invalid_timestamp"
  | "timestamp_too_old"
  | "timestamp_too_new"
  | "empty_secret"
  | "invalid_secret"
  | "invalid_key"
  | "malformed_jwe"
  | "unsupported_algorithm"
  | "decryption_failed"
  | "invalid_payload"
  | "header_mismatch";
