// hookwright for Koa.
//
//   router.post("/webhooks", hookwright({ secret, profile: "filedgr" }).on("vault.created", handle));

import type { IncomingMessage, ServerResponse } from "node:http";

import { bytesOfAnswer, type Answer } from "./answer.js";
import type { NodeRequest } from "./incoming.js";
import { NodeReceiver, type NodeReceiverOptions } from "./node-receiver.js";
import { routable, type AnyProfile, type Routing } from "./receiver.js";
import type { VerifiedWebhook } from "./verified.js";

/** Koa's context, as far as it is used here. */
export interface KoaContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly request: object;
  readonly originalUrl: string;
  readonly ip: string;
  status: number;
  body: unknown;
  // Koa leaves the type of its state open
  state: any;
  set(name: string, value: string): void;
}

/** Middleware. Without handlers it puts the event into `ctx.state.webhook` and calls the next one. */
export interface KoaReceiver<Profile> extends Routing<Profile, { readonly ctx: KoaContext }> {
  (ctx: KoaContext, next: () => Promise<unknown>): Promise<void>;
}

/** Receives webhooks of one endpoint. Mount it before body parsers. */
export function hookwright<const Profile extends AnyProfile = undefined>(
  options: NodeReceiverOptions<Profile, KoaContext>,
): KoaReceiver<Profile> {
  const receiver = new NodeReceiver<Profile, KoaContext, { readonly ctx: KoaContext }>(options);
  const middleware = async (ctx: KoaContext, next: () => Promise<unknown>): Promise<void> => {
    try {
      const accepted = await receiver.accept(incoming(ctx));
      if ("answer" in accepted) {
        reply(ctx, accepted.answer);
        return;
      }
      const { event } = accepted;
      ctx.state.webhook = event as VerifiedWebhook;
      if (receiver.hasRoutes) {
        reply(ctx, await receiver.handle(event, ctx, { ctx }));
        return;
      }
    } catch (error) {
      reply(ctx, receiver.refuse(error, ctx));
      return;
    }
    await passOn(receiver, ctx, next);
  };
  return routable(middleware, receiver) as unknown as KoaReceiver<Profile>;
}

/** Leaves the event to the middleware behind, and learns from its answer what became of it. */
async function passOn<Profile extends AnyProfile>(
  receiver: NodeReceiver<Profile, KoaContext, { readonly ctx: KoaContext }>,
  ctx: KoaContext,
  next: () => Promise<unknown>,
): Promise<void> {
  const claimed = await receiver.claim(ctx.state.webhook as VerifiedWebhook);
  if ("status" in claimed) {
    reply(ctx, claimed);
    return;
  }
  try {
    await next();
  } catch (error) {
    await receiver.settle(claimed.release(), ctx);
    throw error;
  }
  await receiver.settle(ctx.status < 300 ? claimed.complete() : claimed.release(), ctx);
}

function incoming(ctx: KoaContext) {
  // Koa's parsers hang what they made on Koa's request, not on Node's.
  const { rawBody, body } = ctx.request as { rawBody?: unknown; body?: unknown };
  const raw = ctx.req as NodeRequest;
  if (rawBody !== undefined) raw.rawBody = rawBody;
  if (body !== undefined) raw.body = body;
  return { raw, request: ctx, url: ctx.originalUrl, address: ctx.ip };
}

function reply(ctx: KoaContext, answer: Answer): void {
  ctx.status = answer.status;
  ctx.body = Buffer.from(bytesOfAnswer(answer));
  for (const [name, value] of Object.entries(answer.headers)) ctx.set(name, value);
}
