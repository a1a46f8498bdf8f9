// hookwright for Hono, wherever it runs.
//
//   app.post("/webhooks", hookwright({ secret, profile: "filedgr" }).on("vault.created", handle));

import { Webhook } from "#webhook";

import { Receiver, routable, type AnyProfile, type ReceiverOptions, type Routing } from "./receiver.js";
import type { VerifiedWebhook } from "./verified.js";
import { accept, response } from "./web-request.js";
import type { WebRequest } from "./web-types.js";

/** Hono's context, as far as it is used here. */
export interface HonoContext {
  readonly req: { readonly raw: WebRequest };
  set(key: string, value: unknown): void;
  // A `Response`, whose type is the runtime's
  res: any;
}

/** Middleware. Without handlers it puts the event into `c.get("webhook")` and calls the next one. */
export interface HonoReceiver<Profile> extends Routing<Profile, { readonly c: HonoContext }> {
  // A `Response`, whose type is the runtime's
  (c: any, next: () => Promise<void>): Promise<any>;
}

/** Receives webhooks of one endpoint. */
export function hookwright<const Profile extends AnyProfile = undefined>(
  options: ReceiverOptions<Profile, HonoContext>,
): HonoReceiver<Profile> {
  const receiver = new Receiver<Profile, HonoContext, { readonly c: HonoContext }>(
    options,
    (secret, webhookOptions) => new Webhook<Profile>(secret, webhookOptions),
  );
  const middleware = async (c: HonoContext, next: () => Promise<void>): Promise<Response | undefined> => {
    let event;
    try {
      const accepted = await accept(receiver, c.req.raw, c);
      if ("answer" in accepted) return response(accepted.answer);
      ({ event } = accepted);
      if (receiver.hasRoutes) return response(await receiver.handle(event, c, { c }));
    } catch (error) {
      return response(receiver.refuse(error, c));
    }
    c.set("webhook", event);
    const claimed = await receiver.claim(event as VerifiedWebhook);
    if ("status" in claimed) return response(claimed);
    await next();
    // Hono turns what a handler throws into a response before it gets here.
    await receiver.settle((c.res as Response).status < 300 ? claimed.complete() : claimed.release(), c);
    return undefined;
  };
  return routable(middleware, receiver) as unknown as HonoReceiver<Profile>;
}
