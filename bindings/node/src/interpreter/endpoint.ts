// One endpoint, interpreted: a scheme or a profile with its keys.

import type { Endpoint, EndpointConfig } from "../endpoint.js";
import { WebhookConfigurationError } from "../errors.js";
import { PROFILES } from "../generated/profiles.js";
import { SCHEMES } from "../generated/schemes.js";
import { HeaderSlots, ReadHeaders, type HeadersLike } from "../headers.js";
import { Lane, type SignedRequest, type Steps, type Vouched } from "./lane.js";
import { checkProfile, extraHeaders, parseRequest, render, type Envelope, type ProfileDescription } from "./profile.js";
import { compileScheme, type Scheme, type SchemeDescription } from "./scheme.js";
import { isShort, type KeyMaterial } from "./secret.js";

/** What signing needs to know about a message. */
export interface MessageToSign {
  readonly id: string;
  readonly timestamp: number;
  readonly body: Uint8Array;
  readonly method: string;
  readonly url: string;
}

/** The cryptography underneath: makes keys ready, and says which of them can sign. */
export interface KeyMaker<Key> {
  ready(material: KeyMaterial): Key;
  /** Throws when the key cannot sign. */
  checkCanSign(key: Key): void;
}

export class InterpretedEndpoint<Key> implements Endpoint {
  readonly slots: HeaderSlots;
  readonly schemes: readonly string[];
  readonly signsUrl: boolean;
  readonly hasShortSecret: boolean;
  readonly profile: ProfileDescription | undefined;
  readonly #primary: Lane<Key>;
  readonly #companions: readonly Lane<Key>[];
  readonly #keys: KeyMaker<Key>;
  readonly #tolerance: number | null | undefined;

  constructor(config: EndpointConfig, keys: KeyMaker<Key>) {
    if (config.decryptionKeys.length > 0) {
      throw new WebhookConfigurationError("invalid_option", "decryption needs the native binary of hookwright");
    }
    this.#keys = keys;
    this.#tolerance = config.tolerance;
    this.profile = config.profile === undefined ? undefined : profileOf(config.profile);
    const ready = (material: KeyMaterial) => keys.ready(material);
    const primary = schemeOf(this.profile?.scheme ?? config.scheme ?? "standard-webhooks");
    this.#primary = new Lane(primary, config.secrets, "primary", ready);
    this.#companions = (this.profile?.also_sign ?? []).map(
      (name) => new Lane(schemeOf(name), config.secrets, "companion", ready),
    );
    const lanes = [this.#primary, ...this.#companions];
    this.schemes = lanes.map((lane) => lane.scheme.description.name);
    this.signsUrl = lanes.some((lane) => lane.scheme.content.uses("url"));
    this.hasShortSecret = config.secrets.some(isShort);
    this.slots = new HeaderSlots([
      ...lanes.flatMap((lane) => lane.scheme.headers),
      ...Object.keys(this.profile?.headers ?? {}),
    ]);
  }

  request(
    body: Uint8Array,
    headers: HeadersLike,
    target: { method?: string; url?: string } | undefined,
  ): SignedRequest {
    return {
      headers: new ReadHeaders(this.slots.list(headers)),
      body,
      method: target?.method ?? "POST",
      url: target?.url ?? "",
    };
  }

  *verify(request: SignedRequest, now: number): Steps<Key, Vouched> {
    let verdict: Vouched | undefined;
    for (const lane of this.#companions) {
      if (!lane.isPresent(request)) continue;
      const vouched = yield* lane.verify(request, now, this.#tolerance);
      if (verdict?.timestamp === undefined) verdict = vouched;
    }
    if (verdict !== undefined && !this.#primary.isPresent(request)) return verdict;
    const primary = yield* this.#primary.verify(request, now, this.#tolerance);
    // A profile's own scheme speaks for the message unless only a companion can say when it was sent.
    return verdict?.timestamp !== undefined && primary.timestamp === undefined ? verdict : primary;
  }

  parse(body: Uint8Array, headers: HeadersLike): Envelope | undefined {
    return this.profile && parseRequest(this.profile, body, new ReadHeaders(this.slots.list(headers)));
  }

  *sign(message: MessageToSign): Steps<Key, string[]> {
    const headers: string[] = [];
    for (const lane of [this.#primary, ...this.#companions]) {
      for (const { key } of lane.keys) this.#keys.checkCanSign(key);
      headers.push(...(yield* lane.sign(message)));
    }
    return headers;
  }

  render(
    id: string,
    type: string,
    occurredAtMs: number,
    data: Uint8Array,
    extras: readonly string[],
  ): Uint8Array | undefined {
    return this.profile && render(this.profile, { id, type, occurredAtMs, data, extras });
  }

  extraHeaders(id: string, type: string): string[] {
    return this.profile ? extraHeaders(this.profile, id, type) : [];
  }
}

function schemeOf(scheme: string | SchemeDescription): Scheme {
  if (typeof scheme !== "string") return compileScheme(scheme);
  const found = Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : undefined;
  if (found === undefined) {
    const names = Object.keys(SCHEMES).join(", ");
    throw new WebhookConfigurationError(
      "unknown_scheme",
      `there is no scheme \`${scheme}\`; the built-in ones are ${names}`,
    );
  }
  return compileScheme(found);
}

function profileOf(profile: string | ProfileDescription): ProfileDescription {
  if (typeof profile !== "string") {
    checkProfile(profile);
    return profile;
  }
  const found = Object.hasOwn(PROFILES, profile) ? PROFILES[profile] : undefined;
  if (found === undefined) {
    const names = Object.keys(PROFILES).join(", ");
    throw new WebhookConfigurationError(
      "unknown_profile",
      `there is no profile \`${profile}\`; the built-in ones are ${names}`,
    );
  }
  return found;
}
