// One endpoint in native code.

import type { Endpoint, EndpointConfig } from "../endpoint.js";
import {
  WebhookConfigurationError,
  WebhookVerificationError,
  type ConfigurationErrorCode,
  type VerificationErrorCode,
} from "../errors.js";
import { parseExplanation, type Explanation } from "../explanation.js";
import type { HandshakeReply, HandshakeSettings } from "../handshake.js";
import { HeaderSlots, listAll, type HeadersLike } from "../headers.js";
import type { Reception, Vouched } from "../interpreter/lane.js";
import type { Envelope } from "../interpreter/profile.js";
import type { MessageToSign } from "../interpreter/endpoint.js";
import { record } from "../turns.js";
import type { Binding, Decryption, Native } from "./binding.js";

const SCHEME_DEFAULT = -2;
const OFF = -1;

export class NativeEndpoint implements Endpoint {
  readonly slots: HeaderSlots;
  readonly schemes: readonly string[];
  readonly signsUrl: boolean;
  readonly hasShortSecret: boolean;
  readonly hasHandshake: boolean;
  readonly #native: Native;
  readonly #binding: Binding;
  readonly #handle: number;
  readonly #hasProfile: boolean;
  readonly #decryption: Decryption | undefined;

  constructor(config: EndpointConfig, native: Native) {
    this.#native = native;
    this.#binding = bind(config, native);
    this.#handle = this.#binding.handle();
    this.#hasProfile = config.profile !== undefined;
    const { decryptionKeys } = config;
    this.#decryption = decryptionKeys.length > 0 ? configured(() => native.bindKeys(decryptionKeys)) : undefined;
    this.slots = new HeaderSlots(this.#binding.slots());
    this.schemes = this.#binding.schemes();
    this.signsUrl = this.#binding.signsUrl();
    this.hasShortSecret = this.#binding.hasShortSecret();
    this.hasHandshake = this.#binding.hasHandshake();
  }

  verify(body: Uint8Array, headers: HeadersLike, now: number, target: string | undefined): Vouched {
    const line = this.slots.line(headers);
    if (line !== undefined) {
      const answer =
        target === undefined
          ? this.#native.verify(this.#handle, body, line, now)
          : this.#native.verify(this.#handle, body, line, now, target);
      if (typeof answer === "number") return new PackedVerdict(answer, line, this.schemes);
      if (answer !== undefined) return verdictOf(answer, line, this.schemes);
    }
    return this.#verifyListed(body, headers, now, target);
  }

  /** The way for what is rare: several values for one header, headers that are too long for the stack. */
  #verifyListed(body: Uint8Array, headers: HeadersLike, now: number, target: string | undefined): Vouched {
    const listed = this.slots.list(headers);
    const answer = this.#binding.verifyListed(body, listed, now, target);
    // Having passed, every header has one value.
    const values = this.slots.names.map((name) => listed[listed.indexOf(name) + 1] ?? "");
    const line = values.join("\n");
    return typeof answer === "number"
      ? new PackedVerdict(answer, line, this.schemes)
      : verdictOf(answer, line, this.schemes);
  }

  /** Verifies, and takes the profile's envelope apart. */
  receive(body: Uint8Array, headers: HeadersLike, now: number, target: string | undefined): Reception {
    const line = this.slots.line(headers);
    if (line !== undefined) {
      const answer =
        target === undefined
          ? this.#native.receive(this.#handle, body, line, now)
          : this.#native.receive(this.#handle, body, line, now, target);
      if (answer !== undefined) return this.#reception(answer, body, line);
    }
    const vouched = this.#verifyListed(body, headers, now, target);
    return { vouched, envelope: this.parse(body, headers) as Envelope };
  }

  #reception(answer: string, body: Uint8Array, line: string): Reception {
    const [verdict, occurredAt, length] = answer.split("\n", 3) as [string, string, string];
    const packed = Number(verdict);
    if (Number.isNaN(packed)) {
      if (!verdict.startsWith("verified,")) throw refusal(answer);
      return {
        vouched: verdictOf(verdict.replaceAll(",", "\n"), line, this.schemes),
        envelope: this.parse(body, []) as Envelope,
      };
    }
    const start = verdict.length + occurredAt.length + length.length + 3;
    const end = start + Number(length);
    const envelope = new LazyEnvelope(this, body, answer.slice(start, end), answer.slice(end), occurredAt);
    return { vouched: new PackedVerdict(packed, line, this.schemes), envelope };
  }

  parse(body: Uint8Array, headers: HeadersLike): Envelope | undefined {
    if (!this.#hasProfile) return undefined;
    const answer = this.#binding.parse(body, this.slots.list(headers));
    if (typeof answer === "string") throw refusal(answer);
    return answer;
  }

  /** The content of an encrypted body whose signature was checked; any other body as it is. */
  decrypt(body: Uint8Array): Uint8Array {
    const content = this.#decryption?.decrypt(body) ?? body;
    if (typeof content === "string") throw refusal(content);
    return content;
  }

  answerHandshake(
    body: Uint8Array,
    headers: HeadersLike,
    now: number,
    target: string,
    settings: HandshakeSettings,
  ): HandshakeReply | undefined {
    const { name, verifyToken, allowedOrigins = [] } = settings;
    const given = { ...(name && { name }), ...(verifyToken && { verifyToken }), allowedOrigins };
    const answer = configured(() => this.#binding.answerHandshake(body, listAll(headers), now, target, given));
    if (answer === null) return undefined;
    if (typeof answer === "string") throw refusal(answer);
    return { ...answer, headers: record(answer.headers), refusal: answer.refusal };
  }

  explain(body: Uint8Array, headers: HeadersLike, now: number, target: string): Explanation {
    return parseExplanation(this.#binding.explain(body, listAll(headers), now, target) ?? "{}");
  }

  sign({ id, timestamp, body, method, url }: MessageToSign): string[] {
    return configured(() => this.#binding.sign(body, id, timestamp, `${method} ${url}`));
  }

  render(
    id: string,
    type: string,
    occurredAtMs: number,
    data: Uint8Array,
    extras: readonly string[],
  ): Uint8Array | undefined {
    return this.#binding.render(id, type, occurredAtMs, data, extras) ?? undefined;
  }

  extraHeaders(id: string, type: string): string[] {
    return this.#binding.extraHeaders(id, type);
  }
}

/** What a verified body says, without its data, which may be long and perhaps nobody asks for. */
class LazyEnvelope implements Envelope {
  readonly id: string | undefined;
  readonly eventType: string;
  readonly occurredAtMs: number | undefined;
  private readonly endpoint: NativeEndpoint;
  private readonly body: Uint8Array;

  constructor(endpoint: NativeEndpoint, body: Uint8Array, id: string, eventType: string, occurredAt: string) {
    this.endpoint = endpoint;
    this.body = body;
    this.id = id === "" ? undefined : id;
    this.eventType = eventType;
    this.occurredAtMs = occurredAt === "" ? undefined : Number(occurredAt);
  }

  get data(): string {
    return this.endpoint.parse(this.body, [])?.data ?? "null";
  }
}

/** A verdict as native code packs it, see native/outcome.rs. Taken apart when somebody asks. */
class PackedVerdict implements Vouched {
  private readonly packed: number;
  private readonly line: string;
  private readonly schemes: readonly string[];

  constructor(packed: number, line: string, schemes: readonly string[]) {
    this.packed = packed;
    this.line = line;
    this.schemes = schemes;
  }

  private get small(): number {
    return this.packed % 4096;
  }

  get id(): string | undefined {
    const slot = (this.small >> 6) & 31;
    return slot === 0 ? undefined : this.line.split("\n")[slot - 1];
  }

  get timestamp(): number | undefined {
    return this.small & 2048 ? Math.floor(this.packed / 4096) : undefined;
  }

  get scheme(): string {
    return this.schemes[(this.small >> 4) & 3] as string;
  }

  get secretIndex(): number {
    return this.small & 15;
  }
}

function verdictOf(answer: string, line: string, schemes: readonly string[]): Vouched {
  const [verdict, timestamp, slot, scheme, secret] = answer.split("\n") as [string, ...string[]];
  if (verdict !== "verified") throw refusal(answer);
  return {
    id: slot === "0" ? undefined : line.split("\n")[Number(slot) - 1],
    timestamp: timestamp === "" ? undefined : Number(timestamp),
    scheme: schemes[Number(scheme)] as string,
    secretIndex: Number(secret),
  };
}

function refusal(answer: string): WebhookVerificationError {
  const [code, header, ...message] = answer.split("\n") as [VerificationErrorCode, string, ...string[]];
  return new WebhookVerificationError(code, message.join("\n"), { header: header || undefined });
}

function bind({ secrets, scheme, profile, tolerance }: EndpointConfig, native: Native): Binding {
  const seconds = tolerance === undefined ? SCHEME_DEFAULT : (tolerance ?? OFF);
  const text = (description: unknown) => (typeof description === "string" ? description : JSON.stringify(description));
  return configured(() =>
    profile === undefined
      ? native.bindScheme(text(scheme ?? "standard-webhooks"), secrets, seconds)
      : native.bindProfile(text(profile), secrets, seconds),
  );
}

/** Gives an error of configuration its class; native code can only give it a code. */
function configured<Result>(make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === undefined || !/^(empty|invalid|unknown)_/.test(code)) throw error;
    throw new WebhookConfigurationError(code as ConfigurationErrorCode, message);
  }
}
