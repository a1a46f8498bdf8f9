// hookwright where no native code loads: Workers, Deno, browsers' service workers. On WebCrypto, so asynchronous.

import { bytesOf, type Body } from "./body.js";
import { endpointConfig, type WebhookOptions } from "./endpoint.js";
import { WebhookConfigurationError } from "./errors.js";
import type { ProfileName } from "./generated/profiles.js";
import type { SchemeName } from "./generated/schemes.js";
import { rereadable, type HeadersLike } from "./headers.js";
import { InterpretedEndpoint } from "./interpreter/endpoint.js";
import type { ProfileDescription } from "./interpreter/profile.js";
import type { SchemeDescription } from "./interpreter/scheme.js";
import { run, webKeys, type WebKey } from "./interpreter/web-crypto.js";
import { checkUrl, jsonBytes, jsonTurns, messageOf, randomId, secondsOf, warnOfShortSecret } from "./shared.js";
import { record } from "./turns.js";
import type { AnyEventOf, EventToSign, SignedMessage, SignOptions, VerifyOptions } from "./types.js";
import { VerifiedWebhook } from "./verified.js";

export * from "./common.js";

/** What does the work. */
export const engine = "webcrypto";

/** As the `Webhook` of the native entry, with the asynchronous methods only. */
export class Webhook<Profile extends ProfileName | ProfileDescription | undefined = undefined> {
  readonly #endpoint: InterpretedEndpoint<WebKey>;
  /** The built-in profile, or the description of another. */
  readonly profile: Profile;

  /** `secret`: one, or several while it is being changed, newest first. */
  constructor(
    secret: string | readonly string[],
    options: WebhookOptions<SchemeName | SchemeDescription, NonNullable<Profile>> = {},
  ) {
    this.#endpoint = new InterpretedEndpoint(endpointConfig(secret, options), webKeys);
    this.profile = options.profile as Profile;
    if (this.#endpoint.hasShortSecret) warnOfShortSecret();
  }

  /** The headers that are read, in lower case. */
  get headerNames(): readonly string[] {
    return this.#endpoint.slots.names;
  }

  /** Resolves to what the signature vouches for, or rejects with a `WebhookVerificationError`. */
  async verifyAsync(body: Body, headers: HeadersLike, options?: VerifyOptions): Promise<AnyEventOf<Profile>> {
    const bytes = bytesOf(body);
    checkUrl(this.#endpoint.signsUrl, this.#endpoint.schemes, options);
    const listed = rereadable(headers);
    const request = this.#endpoint.request(bytes, listed, options as { method?: string; url?: string });
    const vouched = await run(this.#endpoint.verify(request, secondsOf(options?.now)));
    return new VerifiedWebhook(bytes, vouched, this.#endpoint.parse(bytes, listed)) as AnyEventOf<Profile>;
  }

  /** WebCrypto only answers later. Returning a promise here would let code that forgets to await it accept forgeries. */
  verify(): never {
    throw new WebhookConfigurationError("invalid_option", "this runtime verifies asynchronously: await verifyAsync()");
  }

  /** The headers to send with `body`. */
  async signAsync(body: Body, options: SignOptions = {}): Promise<Record<string, string>> {
    checkUrl(this.#endpoint.signsUrl, this.#endpoint.schemes, options);
    return record(await run(this.#endpoint.sign(messageOf(bytesOf(body), options))));
  }

  /** An event as the profile's platform would send it: for tests and for senders. */
  async signEventAsync({ type, data, occurredAt, extras = {}, ...options }: EventToSign): Promise<SignedMessage> {
    const { id, timestamp } = messageOf(new Uint8Array(0), { ...options, id: options.id ?? `evt_${randomId()}` });
    const at = occurredAt?.getTime() ?? timestamp * 1000;
    const body = this.#endpoint.render(id, type, at, jsonBytes(data), jsonTurns(extras));
    if (body === undefined) {
      throw new WebhookConfigurationError(
        "invalid_option",
        "an event has an envelope only with a profile; use signAsync()",
      );
    }
    const headers = await this.signAsync(body, { ...options, id, timestamp });
    return {
      body,
      headers: { "Content-Type": "application/json", ...record(this.#endpoint.extraHeaders(id, type)), ...headers },
    };
  }
}
