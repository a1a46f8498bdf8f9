// hookwright for Fastify.
//
//   await app.register(hookwright({ path: "/webhooks", secret, profile: "filedgr" }).on("vault.created", handle));

import type { IncomingMessage } from "node:http";

import { bytesOfAnswer } from "./answer.js";
import type { NodeRequest } from "./incoming.js";
import { NodeReceiver, type NodeReceiverOptions } from "./node-receiver.js";
import { routable, type AnyProfile, type Routing } from "./receiver.js";

/** Fastify's request, as far as it is used here. */
export interface FastifyRequestLike {
  readonly raw: IncomingMessage;
  readonly originalUrl: string;
  readonly ip: string;
}

/** Fastify's reply, as far as it is used here. */
export interface FastifyReplyLike {
  code(status: number): this;
  headers(values: Record<string, string>): this;
  send(payload: unknown): unknown;
}

/** Fastify's instance, as far as it is used here. */
export interface FastifyLike {
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    type: string,
    parser: (request: never, payload: never, done: (error: null, body?: unknown) => void) => void,
  ): unknown;
  route(options: {
    method: string[];
    url: string;
    handler: (request: never, reply: never) => Promise<unknown>;
  }): unknown;
}

/** What handlers get beside the event. */
export interface FastifyContext {
  readonly request: FastifyRequestLike;
  readonly reply: FastifyReplyLike;
}

export interface FastifyReceiverOptions<Profile extends AnyProfile> extends NodeReceiverOptions<
  Profile,
  FastifyRequestLike
> {
  /** Where the webhooks come in. */
  readonly path: string;
}

/** A plugin with one route. Its parsers are its own; the rest of the application keeps those that it has. */
export interface FastifyReceiver<Profile> extends Routing<Profile, FastifyContext> {
  // Fastify's instance, whose type has many parameters
  (instance: any, options: object, done: (error?: Error) => void): void;
}

/** Receives webhooks of one endpoint. */
export function hookwright<const Profile extends AnyProfile = undefined>(
  options: FastifyReceiverOptions<Profile>,
): FastifyReceiver<Profile> {
  const receiver = new NodeReceiver<Profile, FastifyRequestLike, FastifyContext>(options);
  const plugin = (instance: FastifyLike, _options: object, done: (error?: Error) => void): void => {
    instance.removeAllContentTypeParsers();
    // The stream stays untouched: the receiver reads it, within its own limit.
    instance.addContentTypeParser("*", (_request, _payload, parsed) => parsed(null));
    instance.route({
      method: receiver.answersHandshakes ? ["POST", "GET", "OPTIONS"] : ["POST"],
      url: options.path,
      handler: async (request: FastifyRequestLike, reply: FastifyReplyLike) => {
        const { raw, originalUrl, ip } = request;
        const incoming = { raw: raw as NodeRequest, request, url: originalUrl, address: ip };
        const answer = await receiver.respond(incoming, { request, reply });
        return reply
          .code(answer.status)
          .headers({ ...answer.headers })
          .send(Buffer.from(bytesOfAnswer(answer)));
      },
    });
    done();
  };
  return routable(plugin, receiver) as unknown as FastifyReceiver<Profile>;
}
