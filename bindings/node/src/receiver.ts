// One endpoint, from a request to an answer, without any framework: verify, validate, claim, handle, in this order.

import { DUPLICATE, FAILED, IN_FLIGHT, RECEIVED, refused, type Answer } from "./answer.js";
import type { Body } from "./body.js";
import type { DedupeStore } from "./dedupe/store.js";
import type { WebhookOptions } from "./endpoint.js";
import { WebhookConfigurationError, WebhookVerificationError } from "./errors.js";
import type { ProfileName } from "./generated/profiles.js";
import type { SchemeName } from "./generated/schemes.js";
import type { HandshakeReply, HandshakeSettings } from "./handshake.js";
import type { HeadersLike } from "./headers.js";
import type { ProfileDescription } from "./interpreter/profile.js";
import type { SchemeDescription } from "./interpreter/scheme.js";
import { Routes } from "./router.js";
import type { AnyEventOf, EventOf, EventsOf, VerifyOptions } from "./types.js";
import type { Validator } from "./validator.js";
import type { VerifiedWebhook } from "./verified.js";

/** What a receiver needs of a `Webhook`, the native one or the one for the edge. */
export interface AsyncWebhook<Profile> {
  verifyAsync(body: Body, headers: HeadersLike, options?: VerifyOptions): Promise<AnyEventOf<Profile>>;
  readonly profile?: AnyProfile;
  readonly hasHandshake?: boolean;
  answerHandshake?(
    body: Body,
    headers: HeadersLike,
    options?: VerifyOptions & { readonly handshake?: HandshakeSettings | undefined },
  ): Promise<HandshakeReply | undefined>;
}

export type AnyProfile = ProfileName | ProfileDescription | undefined;

/** How events are kept from being handled twice. */
export interface DedupeOptions {
  readonly store: DedupeStore;
  /** How long a handled event is remembered. At least as long as the sender retries. Absent: three days. */
  readonly ttlSeconds?: number | undefined;
  /** How long handling may take before another attempt may start. Absent: five minutes. */
  readonly leaseSeconds?: number | undefined;
  /** Where the event's id is, for schemes that sign none. */
  readonly id?: ((event: VerifiedWebhook) => string | undefined) | undefined;
}

/** What an endpoint is told when it is made. `Request` is the framework's. */
export interface ReceiverOptions<Profile extends AnyProfile, Request> extends WebhookOptions<
  SchemeName | SchemeDescription,
  NonNullable<Profile>
> {
  /** One secret, or several while it is being changed, newest first. */
  readonly secret?: string | readonly string[] | undefined;
  /** A `Webhook` that exists already, instead of a secret with scheme, profile and tolerance. */
  readonly webhook?: AsyncWebhook<Profile> | undefined;
  /** The longest body that is read, in bytes or as "512kb", "1mb". Absent: 1 MiB. */
  readonly limit?: number | string | undefined;
  /** The URL as the sender knows it, for the schemes that sign it. */
  readonly url?: string | ((request: Request) => string) | undefined;
  /** Checks the data of verified events; see `hookwright/validation`. */
  readonly validate?: Validator | undefined;
  /** Keeps retries and replays from being handled twice; see `hookwright/dedupe`. */
  readonly dedupe?: DedupeOptions | undefined;
  /**
   * Answers what a platform asks before it sends: Slack's and Zoom's url_validation, Meta's and Dropbox's challenge,
   * Discord's PING. Absent: by the scheme, without settings. `false` leaves them to the handlers.
   */
  readonly handshake?: boolean | HandshakeSettings | undefined;
  /** Where the type of an event is, when no profile says. Absent: the member `type` of the body. */
  readonly typeOf?: ((event: VerifiedWebhook, request: Request) => string | undefined) | undefined;
  /** Told about everything that is refused or fails: the sender hears only as much as it needs to. */
  readonly onError?: ((error: Error, request: Request) => void) | undefined;
  /** The time. Absent: the machine's. */
  readonly now?: (() => Date) | undefined;
}

/** A request, as far as a receiver is interested in it. */
export interface IncomingRequest {
  readonly body: Body;
  readonly headers: HeadersLike;
  readonly method: string;
}

type Handler<Context> = (event: never, context: Context) => unknown;

const THREE_DAYS = 3 * 24 * 3600;
const FIVE_MINUTES = 300;
const DEFAULT_LIMIT = 1 << 20;

export class Receiver<Profile extends AnyProfile, Request, Context> {
  readonly limit: number;
  /** What event ids are unique within, when it is known beforehand. */
  readonly #namespace: string | undefined;
  readonly #webhook: AsyncWebhook<Profile>;
  readonly #options: ReceiverOptions<Profile, Request>;
  readonly #routes = new Routes<Handler<Context>>();

  constructor(options: ReceiverOptions<Profile, Request>, makeWebhook: WebhookMaker<Profile>) {
    this.#options = options;
    this.#webhook = options.webhook ?? makeWebhook(options.secret ?? [], options);
    this.limit = limitOf(options.limit);
    const profile: AnyProfile = options.profile ?? this.#webhook.profile;
    this.#namespace = typeof profile === "object" ? profile.name : profile;
  }

  get hasRoutes(): boolean {
    return !this.#routes.isEmpty;
  }

  on(pattern: string, handler: Handler<Context>): void {
    this.#routes.add(pattern, handler);
  }

  /** Whether requests may be a platform's question about the endpoint. */
  get answersHandshakes(): boolean {
    const { handshake } = this.#options;
    return handshake === undefined ? this.#webhook.hasHandshake === true : handshake !== false;
  }

  /** The answer to a platform that checks the endpoint, if it is set up for that and the request is such a check. */
  async shake(incoming: IncomingRequest, request: Request, requestUrl: string): Promise<Answer | undefined> {
    if (!this.answersHandshakes) return undefined;
    const { handshake, now } = this.#options;
    const reply = await this.#webhook.answerHandshake?.(incoming.body, incoming.headers, {
      now: now?.(),
      url: this.#urlOf(request) ?? requestUrl,
      method: incoming.method,
      handshake: typeof handshake === "object" ? handshake : {},
    });
    if (reply?.refusal !== undefined) this.report(new Error(`handshake refused: ${reply.refusal}`), request);
    return reply && { status: reply.status, headers: reply.headers, body: reply.body };
  }

  #urlOf(request: Request): string | undefined {
    const { url } = this.#options;
    return typeof url === "function" ? url(request) : url;
  }

  /** Verifies and validates. Throws a `WebhookVerificationError` for everything that is the request's fault. */
  async verify(incoming: IncomingRequest, request: Request): Promise<AnyEventOf<Profile>> {
    const { now, validate } = this.#options;
    const event = await this.#webhook.verifyAsync(incoming.body, incoming.headers, {
      now: now?.(),
      url: this.#urlOf(request),
      method: incoming.method,
    });
    const violations = validate?.(event as VerifiedWebhook);
    if (violations !== undefined && violations.length > 0) {
      throw new WebhookVerificationError("invalid_schema", "the event's data is not what its schema describes", {
        violations,
      });
    }
    return event;
  }

  /** Hands a verified event to its handler, unless it was handled before. */
  async handle(event: AnyEventOf<Profile>, request: Request, context: Context): Promise<Answer> {
    const handler = this.#routes.find(this.#typeOf(event as VerifiedWebhook, request));
    // What nobody asked for is acknowledged, or the sender would offer it for days.
    if (handler === undefined) return RECEIVED;
    return this.once(event, () => handler(event as never, context), request);
  }

  /** Runs `work` for an event that was not handled before. */
  async once(event: AnyEventOf<Profile>, work: () => unknown, request: Request): Promise<Answer> {
    const claimed = await this.claim(event as VerifiedWebhook);
    if ("status" in claimed) return claimed;
    try {
      await work();
    } catch (error) {
      this.report(error as Error, request);
      await this.settle(claimed.release(), request);
      return FAILED;
    }
    await this.settle(claimed.complete(), request);
    return RECEIVED;
  }

  /** Waits for the store. Should it fail, the work is done or not done all the same, and so is the answer. */
  async settle(settled: Promise<void>, request: Request): Promise<void> {
    await settled.catch((error: unknown) => this.report(error as Error, request));
  }

  /** Claims an event, or says why it is not to be handled now. */
  async claim(event: VerifiedWebhook): Promise<Answer | { complete(): Promise<void>; release(): Promise<void> }> {
    const { dedupe } = this.#options;
    if (dedupe === undefined) return { complete: async () => {}, release: async () => {} };
    const id = dedupe.id?.(event) ?? event.id;
    if (id === undefined || id === "") {
      throw new WebhookConfigurationError(
        "invalid_option",
        `${event.scheme} signs no message id: tell dedupe where to find one, { dedupe: { id: (event) => … } }`,
      );
    }
    const { store, ttlSeconds = THREE_DAYS, leaseSeconds = FIVE_MINUTES } = dedupe;
    // Not the scheme that vouched: of two that sign a delivery, a replay may leave one out.
    const key = `${this.#namespace ?? event.scheme}:${id}`;
    const claim = await store.claim(key, leaseSeconds);
    if (claim.state !== "new") return claim.state === "done" ? DUPLICATE : IN_FLIGHT;
    const { token } = claim;
    return {
      complete: () => store.complete(key, token, ttlSeconds),
      release: () => store.release(key, token),
    };
  }

  /** The answer to whatever went wrong, which is reported. */
  refuse(error: unknown, request: Request): Answer {
    this.report(error as Error, request);
    return error instanceof WebhookVerificationError ? refused(error) : FAILED;
  }

  report(error: Error, request: Request): void {
    const { onError } = this.#options;
    if (onError !== undefined) {
      onError(error, request);
    } else if (!(error instanceof WebhookVerificationError) || error.status >= 500) {
      // Strangers must not fill the log; what the receiver itself does wrong has to be seen.
      console.error("hookwright:", error);
    }
  }

  #typeOf(event: VerifiedWebhook, request: Request): string | undefined {
    const { typeOf } = this.#options;
    if (typeOf !== undefined) return typeOf(event, request);
    if (event.type !== undefined) return event.type;
    try {
      const { type } = event.json() as { type?: unknown };
      return typeof type === "string" ? type : undefined;
    } catch {
      return undefined;
    }
  }
}

export type WebhookMaker<Profile extends AnyProfile> = (
  secret: string | readonly string[],
  options: WebhookOptions<SchemeName | SchemeDescription, NonNullable<Profile>>,
) => AsyncWebhook<Profile>;

/** How handlers are attached, the same for every framework. */
export interface Routing<Profile, Context> {
  /** Handles events of one type, or of all below one: `vault.created`, `vault.*`, `*`. The most specific wins. */
  on<Pattern extends (keyof EventsOf<Profile> & string) | `${string}*` | (string & {})>(
    pattern: Pattern,
    handler: (event: HandledEvent<Profile, Pattern>, context: Context) => unknown,
  ): this;
  /** Handles what no other handler takes. */
  otherwise(handler: (event: AnyEventOf<Profile>, context: Context) => unknown): this;
}

/** Hangs `on` and `otherwise` on what a framework calls. */
export function routable<Profile extends AnyProfile, Request, Context, Called extends object>(
  called: Called,
  receiver: Receiver<Profile, Request, Context>,
): Called {
  const routing = {
    on(pattern: string, handler: (event: never, context: Context) => unknown) {
      receiver.on(pattern, handler);
      return called;
    },
    otherwise(handler: (event: never, context: Context) => unknown) {
      receiver.on("*", handler);
      return called;
    },
  };
  return Object.assign(called, routing);
}

type HandledEvent<Profile, Pattern extends string> = Pattern extends keyof EventsOf<Profile> & string
  ? EventOf<Profile, Pattern>
  : AnyEventOf<Profile>;

function limitOf(limit: number | string | undefined): number {
  if (limit === undefined) return DEFAULT_LIMIT;
  const [, number, unit] = /^(\d+)(b|kb|mb)?$/i.exec(String(limit).trim()) ?? [];
  if (number === undefined) {
    throw new WebhookConfigurationError("invalid_option", 'the limit is a number of bytes, or like "512kb" or "1mb"');
  }
  return Number(number) * ({ kb: 1 << 10, mb: 1 << 20 }[unit?.toLowerCase() ?? ""] ?? 1);
}
