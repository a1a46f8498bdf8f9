// Verifying and signing on Node, Bun and whatever else loads native code; node:crypto where no binary fits.

import { bytesOf, type Body } from "./body.js";
import { endpointConfig, type WebhookOptions } from "./endpoint.js";
import { WebhookConfigurationError } from "./errors.js";
import type { Explanation } from "./explanation.js";
import type { ProfileName } from "./generated/profiles.js";
import type { SchemeName } from "./generated/schemes.js";
import type { HandshakeReply, HandshakeSettings } from "./handshake.js";
import { rereadable, type HeadersLike } from "./headers.js";
import { NodeCryptoEndpoint } from "./interpreter/node-endpoint.js";
import type { ProfileDescription } from "./interpreter/profile.js";
import type { SchemeDescription } from "./interpreter/scheme.js";
import { error, native } from "./native/binding.js";
import { NativeEndpoint } from "./native/endpoint.js";
import { checkUrl, jsonBytes, jsonTurns, messageOf, randomId, secondsOf, warnOfShortSecret } from "./shared.js";
import { record } from "./turns.js";
import type { AnyEventOf, EventToSign, SignedMessage, SignOptions, VerifyOptions } from "./types.js";
import { VerifiedWebhook } from "./verified.js";

/** What does the work: `native`, or `node:crypto` where no binary fits this machine. */
export const engine: "native" | "node:crypto" = native === undefined ? "node:crypto" : "native";

const EMPTY = new Uint8Array(0);

let hasToldOfFallback = false;

function newEndpoint(config: ReturnType<typeof endpointConfig>): NativeEndpoint | NodeCryptoEndpoint {
  if (native !== undefined) return new NativeEndpoint(config, native);
  if (error !== undefined && !hasToldOfFallback) {
    hasToldOfFallback = true;
    process.emitWarning(
      `no native binary of hookwright fits ${process.platform} ${process.arch}; node:crypto does the work, correctly ` +
        "and more slowly",
      { code: "HOOKWRIGHT_NO_BINARY", detail: error.message },
    );
  }
  return new NodeCryptoEndpoint(config);
}

/**
 * One endpoint's secret and the way its webhooks are signed.
 *
 * ```ts
 * const webhook = new Webhook(process.env.STRIPE_SECRET, { scheme: "stripe" });
 * const event = webhook.verify(rawBody, request.headers);   // throws WebhookVerificationError
 * ```
 */
export class Webhook<Profile extends ProfileName | ProfileDescription | undefined = undefined> {
  readonly #endpoint: NativeEndpoint | NodeCryptoEndpoint;
  readonly #hasProfile: boolean;
  readonly #signsUrl: boolean;
  readonly #decrypts: boolean;
  /** The built-in profile, or the description of another. */
  readonly profile: Profile;

  /** `secret`: one, or several while it is being changed, newest first. */
  constructor(
    secret: string | readonly string[],
    options: WebhookOptions<SchemeName | SchemeDescription, NonNullable<Profile>> = {},
  ) {
    const config = endpointConfig(secret, options);
    this.#endpoint = newEndpoint(config);
    this.#hasProfile = options.profile !== undefined;
    this.#signsUrl = this.#endpoint.signsUrl;
    this.#decrypts = config.decryptionKeys.length > 0;
    this.profile = options.profile as Profile;
    if (this.#endpoint.hasShortSecret) warnOfShortSecret();
  }

  /** The headers that are read, in lower case. */
  get headerNames(): readonly string[] {
    return this.#endpoint.slots.names;
  }

  /** Returns what the signature vouches for, or throws a `WebhookVerificationError` whose `code` says why not. */
  verify(body: Body, headers: HeadersLike, options?: VerifyOptions): AnyEventOf<Profile> {
    const bytes = bytesOf(body);
    const endpoint = this.#endpoint;
    if (this.#signsUrl) checkUrl(true, endpoint.schemes, options);
    const target = options?.url === undefined ? undefined : `${options.method ?? "POST"} ${options.url}`;
    if (this.#decrypts) return this.#verifyEncrypted(bytes, rereadable(headers), secondsOf(options?.now), target);
    if (!this.#hasProfile) {
      const vouched = endpoint.verify(bytes, headers, secondsOf(options?.now), target);
      return new VerifiedWebhook(bytes, vouched, undefined) as AnyEventOf<Profile>;
    }
    const { vouched, envelope } = endpoint.receive(bytes, rereadable(headers), secondsOf(options?.now), target);
    return new VerifiedWebhook(bytes, vouched, envelope) as AnyEventOf<Profile>;
  }

  /** The signature is over what was sent, the envelope is inside. */
  #verifyEncrypted(
    body: Uint8Array,
    headers: HeadersLike,
    now: number,
    target: string | undefined,
  ): AnyEventOf<Profile> {
    const endpoint = this.#endpoint as NativeEndpoint;
    const vouched = endpoint.verify(body, headers, now, target);
    const content = endpoint.decrypt(body);
    return new VerifiedWebhook(content, vouched, endpoint.parse(content, headers)) as AnyEventOf<Profile>;
  }

  /** As `verify`. On every runtime, so that code which uses it runs on all of them. */
  async verifyAsync(body: Body, headers: HeadersLike, options?: VerifyOptions): Promise<AnyEventOf<Profile>> {
    return this.verify(body, headers, options);
  }

  /**
   * What would have made a refused request match: a parsed and rewritten body, white space around the secret, another
   * encoding. For development: it tells more than a sender may know.
   */
  explain(body: Body, headers: HeadersLike, options: VerifyOptions = {}): Explanation {
    const { method = "POST", url = "", now } = options;
    return this.#nativeOnly("explain").explain(bytesOf(body), headers, secondsOf(now), `${method} ${url}`);
  }

  /** Whether the scheme's platform checks endpoints before it sends, and `answerHandshake` knows the answer. */
  get hasHandshake(): boolean {
    return this.#endpoint instanceof NativeEndpoint && this.#endpoint.hasHandshake;
  }

  /** What to answer to a platform that checks the endpoint; `undefined` when the request is a delivery. */
  async answerHandshake(
    body: Body,
    headers: HeadersLike,
    options: VerifyOptions & { readonly handshake?: HandshakeSettings | undefined } = {},
  ): Promise<HandshakeReply | undefined> {
    const { method = "POST", url = "", now, handshake = {} } = options;
    const target = `${method} ${url}`;
    return this.#nativeOnly("answerHandshake").answerHandshake(
      bytesOf(body),
      headers,
      secondsOf(now),
      target,
      handshake,
    );
  }

  #nativeOnly(method: string): NativeEndpoint {
    if (this.#endpoint instanceof NativeEndpoint) return this.#endpoint;
    throw new WebhookConfigurationError("invalid_option", `${method}() needs the native binary of hookwright`);
  }

  /** The headers to send with `body`. */
  sign(body: Body, options: SignOptions = {}): Record<string, string> {
    checkUrl(this.#signsUrl, this.#endpoint.schemes, options);
    return record(this.#endpoint.sign(messageOf(bytesOf(body), options)));
  }

  /** As `sign`, on every runtime. */
  async signAsync(body: Body, options: SignOptions = {}): Promise<Record<string, string>> {
    return this.sign(body, options);
  }

  /** An event as the profile's platform would send it: for tests and for senders. */
  signEvent({ type, data, occurredAt, extras = {}, ...options }: EventToSign): SignedMessage {
    const { id, timestamp } = messageOf(EMPTY, { ...options, id: options.id ?? `evt_${randomId()}` });
    const at = occurredAt?.getTime() ?? timestamp * 1000;
    const body = this.#endpoint.render(id, type, at, jsonBytes(data), jsonTurns(extras));
    if (body === undefined) {
      throw new WebhookConfigurationError("invalid_option", "an event has an envelope only with a profile; use sign()");
    }
    const headers = this.sign(body, { ...options, id, timestamp });
    return {
      body,
      headers: { "Content-Type": "application/json", ...record(this.#endpoint.extraHeaders(id, type)), ...headers },
    };
  }

  /** As `signEvent`, on every runtime. */
  async signEventAsync(event: EventToSign): Promise<SignedMessage> {
    return this.signEvent(event);
  }
}
