// Bodies on their way in.

import { WebhookVerificationError } from "./errors.js";
import { utf8 } from "./interpreter/bytes.js";

/** A raw body. Bytes are best: text has been decoded once, and not every body survives that. */
export type Body = Uint8Array | ArrayBuffer | string;

/** The bytes of a raw body. What a parser made of one is refused: writing it again makes another body. */
export function bytesOf(body: Body): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (typeof body === "string") return utf8(body);
  // Test runners give each file its own copy of the classes, so `instanceof` does not settle it.
  if (ArrayBuffer.isView(body)) {
    const { buffer, byteOffset, byteLength } = body as ArrayBufferView;
    return isBytes(body) ? body : new Uint8Array(buffer, byteOffset, byteLength);
  }
  if (Object.prototype.toString.call(body) === "[object ArrayBuffer]") return new Uint8Array(body);
  throw new WebhookVerificationError("body_consumed", consumed(body));
}

function isBytes(view: unknown): view is Uint8Array {
  return (view as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === "Uint8Array";
}

function consumed(body: unknown): string {
  const what =
    body === undefined || body === null
      ? `the body is ${body}: it was not read, or another reader took it`
      : "the body was parsed before it was verified, and writing it again would make another body";
  return `${what}; pass the raw bytes, as a Uint8Array, exactly as they were received`;
}
