// What the adapters for Node's own requests share: one request, from its first byte to its answer.

import type { Answer } from "./answer.js";
import { AllowList } from "./allow-list.js";
import { rawPairs } from "./headers.js";
import { methodNotAllowed, rawBody, type NodeRequest } from "./incoming.js";
import { Receiver, type AnyProfile, type ReceiverOptions } from "./receiver.js";
import type { AnyEventOf } from "./types.js";
import { Webhook } from "./webhook.js";

export interface NodeReceiverOptions<Profile extends AnyProfile, Request> extends ReceiverOptions<Profile, Request> {
  /** Addresses and ranges that requests may come from, as in the platform's documentation. Absent: all. */
  readonly allow?: readonly string[] | undefined;
}

/** A request as Node and the framework on it see it. */
export interface NodeIncoming<Request> {
  readonly raw: NodeRequest;
  readonly request: Request;
  /** The path and query as they came, before any router took a part away. */
  readonly url: string;
  readonly address: string | undefined;
}

export class NodeReceiver<Profile extends AnyProfile, Request, Context> extends Receiver<Profile, Request, Context> {
  readonly #allowed: AllowList | undefined;

  constructor(options: NodeReceiverOptions<Profile, Request>) {
    super(options, (secret, webhookOptions) => new Webhook<Profile>(secret, webhookOptions));
    this.#allowed = options.allow && new AllowList(options.allow);
  }

  /** The verified event, or the answer to a platform that only checks the endpoint. */
  async accept(incoming: NodeIncoming<Request>): Promise<{ event: AnyEventOf<Profile> } | { answer: Answer }> {
    const { raw, request, url, address } = incoming;
    this.#allowed?.check(address);
    const method = raw.method ?? "POST";
    const headers = rawPairs(raw.rawHeaders);
    const body = await rawBody(raw, this.limit);
    const answer = await this.shake({ body, headers, method }, request, url);
    if (answer !== undefined) return { answer };
    if (method !== "POST") throw methodNotAllowed(method);
    return { event: await this.verify({ body, headers, method }, request) };
  }

  /** From the request to the answer. */
  async respond(incoming: NodeIncoming<Request>, context: Context): Promise<Answer> {
    try {
      const accepted = await this.accept(incoming);
      if ("answer" in accepted) return accepted.answer;
      return await this.handle(accepted.event, incoming.request, context);
    } catch (error) {
      return this.refuse(error, incoming.request);
    }
  }
}
