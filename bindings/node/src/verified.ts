// What a receiver gets to see: only what a valid signature vouches for.

import type { Envelope } from "./interpreter/profile.js";
import type { Vouched } from "./interpreter/lane.js";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A webhook that has been verified. Nothing of it is parsed before it is asked for. */
export class VerifiedWebhook<T = unknown, Type extends string = string, Data = unknown> {
  /** The raw body; for an encrypted one, what was inside. */
  readonly body: Uint8Array;
  // Not `#private`: one of these is made per webhook, and V8 takes longer for hidden fields than for the signature.
  private readonly vouched: Vouched;
  private readonly envelope: Envelope | undefined;
  private parsed: { readonly data: Data } | undefined;

  /** @internal */
  constructor(body: Uint8Array, vouched: Vouched, envelope: Envelope | undefined) {
    this.body = body;
    this.vouched = vouched;
    this.envelope = envelope;
    this.parsed = undefined;
  }

  /** The event's id, which is the same for every attempt: the envelope's, or else the signed message id. */
  get id(): string | undefined {
    return this.envelope?.id ?? this.vouched.id;
  }

  /** The event's type. Known with a profile only: without one, nobody knows where the body has it. */
  get type(): Type {
    return this.envelope?.eventType as Type;
  }

  /** When this attempt was signed, in Unix seconds, if the scheme signs a time. */
  get timestamp(): number | undefined {
    return this.vouched.timestamp;
  }

  /** When the event happened, if the envelope says. */
  get occurredAt(): Date | undefined {
    const at = this.envelope?.occurredAtMs;
    return at === undefined ? undefined : new Date(at);
  }

  /** The scheme that vouches. */
  get scheme(): string {
    return this.vouched.scheme;
  }

  /** Which of the secrets it was. When the old one has not been used for long enough, it can go. */
  get secretIndex(): number {
    return this.vouched.secretIndex;
  }

  /** The event's data, parsed once: with a profile the part of the envelope that holds it, otherwise the whole body. */
  get data(): Data {
    this.parsed ??= { data: JSON.parse(this.envelope?.data ?? this.text()) as Data };
    return this.parsed.data;
  }

  /** The body as text. */
  text(): string {
    return decoder.decode(this.body);
  }

  /** The whole body, parsed. Throws a `SyntaxError` when it is not JSON. */
  json(): T {
    return JSON.parse(this.text()) as T;
  }

  /** What `console.log` shows in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): Record<string, unknown> {
    return this.toJSON();
  }

  /** For logs: everything but the content. */
  toJSON(): Record<string, unknown> {
    const { id, type, timestamp, scheme, secretIndex, body } = this;
    return { id, type, timestamp, scheme, secretIndex, bytes: body.length };
  }
}
