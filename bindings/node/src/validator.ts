import type { SchemaViolation } from "./errors.js";
import type { VerifiedWebhook } from "./verified.js";

/** Says what is wrong with the data of a verified event; nothing, or an empty list, when it is right. */
export type Validator = (event: VerifiedWebhook) => readonly SchemaViolation[] | undefined;
