// hookwright for Express 4 and 5.
//
//   app.post("/webhooks/filedgr", hookwright({ secret, profile: "filedgr" }).on("vault.created", handle));

import type { IncomingMessage, ServerResponse } from "node:http";

import { send, type NodeRequest } from "./incoming.js";
import { NodeReceiver, type NodeReceiverOptions } from "./node-receiver.js";
import { routable, type AnyProfile, type Routing } from "./receiver.js";
import type { AnyEventOf } from "./types.js";
import type { VerifiedWebhook } from "./verified.js";

export { keepRawBody } from "./incoming.js";

declare global {
  // Express's types are extended in this way only
  namespace Express {
    interface Request {
      /** The verified webhook, behind hookwright's middleware. */
      webhook?: VerifiedWebhook;
    }
  }
}

/** What handlers get beside the event. */
export interface ExpressContext {
  readonly req: ExpressRequest;
  readonly res: ExpressResponse;
}

/** Express's request, as far as it is used here. */
export interface ExpressRequest extends IncomingMessage {
  body?: unknown;
  rawBody?: unknown;
  originalUrl?: string;
  readonly ip?: string | undefined;
  webhook?: VerifiedWebhook;
}

/** Express's response, as far as it is used here. */
export interface ExpressResponse extends ServerResponse {}

/** Middleware. Without handlers it puts the event into `req.webhook` and calls the next one; with some, it answers. */
export interface ExpressReceiver<Profile> extends Routing<Profile, ExpressContext> {
  (req: ExpressRequest, res: ExpressResponse, next: (error?: unknown) => void): void;
}

/** Receives webhooks of one endpoint. Reads the raw body itself, whatever its content type. */
export function hookwright<const Profile extends AnyProfile = undefined>(
  options: NodeReceiverOptions<Profile, ExpressRequest>,
): ExpressReceiver<Profile> {
  const receiver = new NodeReceiver<Profile, ExpressRequest, ExpressContext>(options);
  const middleware = (req: ExpressRequest, res: ExpressResponse, next: (error?: unknown) => void): void => {
    void receive(receiver, req, res, next).catch((error: unknown) => send(res, receiver.refuse(error, req)));
  };
  return routable(middleware, receiver) as unknown as ExpressReceiver<Profile>;
}

async function receive<Profile extends AnyProfile>(
  receiver: NodeReceiver<Profile, ExpressRequest, ExpressContext>,
  req: ExpressRequest,
  res: ExpressResponse,
  next: (error?: unknown) => void,
): Promise<void> {
  const accepted = await receiver.accept({
    raw: req as NodeRequest,
    request: req,
    url: req.originalUrl ?? req.url ?? "",
    // What Express makes of it with its setting "trust proxy".
    address: req.ip ?? req.socket.remoteAddress,
  });
  if ("answer" in accepted) {
    send(res, accepted.answer);
    return;
  }
  const { event } = accepted;
  req.webhook = event as VerifiedWebhook;
  if (receiver.hasRoutes) send(res, await receiver.handle(event, req, { req, res }));
  else await passOn(receiver, event, req, res, next);
}

/** Leaves the event to the handlers behind, and learns from their answer what became of it. */
async function passOn<Profile extends AnyProfile>(
  receiver: NodeReceiver<Profile, ExpressRequest, ExpressContext>,
  event: AnyEventOf<Profile>,
  req: ExpressRequest,
  res: ExpressResponse,
  next: (error?: unknown) => void,
): Promise<void> {
  const claimed = await receiver.claim(event as VerifiedWebhook);
  if ("status" in claimed) {
    send(res, claimed);
    return;
  }
  res.once("close", () => {
    const wasAccepted = res.writableFinished && res.statusCode < 300;
    void receiver.settle(wasAccepted ? claimed.complete() : claimed.release(), req);
  });
  next();
}
