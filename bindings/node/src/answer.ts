// What a sender gets to hear. Not why a signature is wrong: that is for the receiver's log.

import { utf8 } from "./interpreter/bytes.js";
import type { SchemaViolation, WebhookVerificationError } from "./errors.js";

/** An answer that a framework can send. */
export interface Answer {
  readonly status: number;
  readonly body: AnswerBody | Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface AnswerBody {
  readonly received?: true;
  readonly duplicate?: true;
  readonly error?: string;
  readonly details?: readonly SchemaViolation[];
}

const HEADERS = { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" };

const TEXTS: Readonly<Record<number, string>> = {
  400: "Invalid webhook payload",
  401: "Invalid signature",
  403: "Forbidden",
  405: "Method not allowed",
  409: "Already being processed",
  413: "Payload too large",
  500: "Internal error",
};

export function answer(status: number, body: AnswerBody, headers: Record<string, string> = {}): Answer {
  return { status, body, headers: { ...HEADERS, ...headers } };
}

/** The answer to a request that was refused. */
export function refused(error: WebhookVerificationError): Answer {
  const text = error.code === "missing_header" ? "Missing signature header" : TEXTS[error.status];
  const details = error.violations === undefined ? {} : { details: error.violations };
  const headers = {
    ...(error.status === 405 ? { allow: "POST" } : {}),
    // The rest of the body is still on its way, and nobody will read it.
    ...(error.code === "body_too_large" || error.code === "body_incomplete" ? { connection: "close" } : {}),
  };
  return answer(error.status, { error: text ?? "Refused", ...details }, headers);
}

/** The answer when it is not the sender's fault, so that it tries again. */
export const FAILED: Answer = answer(500, { error: TEXTS[500] as string });

export const RECEIVED: Answer = answer(200, { received: true });

export const DUPLICATE: Answer = answer(200, { received: true, duplicate: true });

/** Another attempt of the same event is being worked on; should it fail, the sender has to come back. */
export const IN_FLIGHT: Answer = answer(409, { error: TEXTS[409] as string }, { "retry-after": "30" });

/** The bytes of an answer. */
export function bytesOfAnswer({ body }: Answer): Uint8Array {
  return body instanceof Uint8Array ? body : utf8(JSON.stringify(body));
}
