// The interpreter with a synchronous face, as `Webhook` on Node wants it.

import type { EndpointConfig } from "../endpoint.js";
import type { HeadersLike } from "../headers.js";
import { InterpretedEndpoint, type MessageToSign } from "./endpoint.js";
import type { Reception, Vouched } from "./lane.js";
import { nodeKeys, run, type NodeKey } from "./node-crypto.js";
import type { Envelope } from "./profile.js";

export class NodeCryptoEndpoint {
  readonly #interpreted: InterpretedEndpoint<NodeKey>;

  constructor(config: EndpointConfig) {
    this.#interpreted = new InterpretedEndpoint(config, nodeKeys);
  }

  get slots() {
    return this.#interpreted.slots;
  }

  get schemes() {
    return this.#interpreted.schemes;
  }

  get signsUrl() {
    return this.#interpreted.signsUrl;
  }

  get hasShortSecret() {
    return this.#interpreted.hasShortSecret;
  }

  verify(body: Uint8Array, headers: HeadersLike, now: number, target: string | undefined): Vouched {
    const space = target?.indexOf(" ") ?? -1;
    const split = target === undefined ? undefined : { method: target.slice(0, space), url: target.slice(space + 1) };
    return run(this.#interpreted.verify(this.#interpreted.request(body, headers, split), now));
  }

  receive(body: Uint8Array, headers: HeadersLike, now: number, target: string | undefined): Reception {
    const vouched = this.verify(body, headers, now, target);
    return { vouched, envelope: this.parse(body, headers) as Envelope };
  }

  parse(body: Uint8Array, headers: HeadersLike): Envelope | undefined {
    return this.#interpreted.parse(body, headers);
  }

  sign(message: MessageToSign): string[] {
    return run(this.#interpreted.sign(message));
  }

  render(
    id: string,
    type: string,
    occurredAtMs: number,
    data: Uint8Array,
    extras: readonly string[],
  ): Uint8Array | undefined {
    return this.#interpreted.render(id, type, occurredAtMs, data, extras);
  }

  extraHeaders(id: string, type: string): string[] {
    return this.#interpreted.extraHeaders(id, type);
  }
}
