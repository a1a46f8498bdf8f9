// hookwright for node:http, without a framework.
//
//   createServer(hookwright({ secret, profile: "filedgr" }).on("vault.created", handle)).listen(3000);

import type { IncomingMessage, ServerResponse } from "node:http";

import { send, type NodeRequest } from "./incoming.js";
import { NodeReceiver, type NodeReceiverOptions } from "./node-receiver.js";
import { routable, type AnyProfile, type Routing } from "./receiver.js";

export { keepRawBody } from "./incoming.js";

/** What handlers get beside the event. */
export interface NodeContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** A listener for `createServer`. It answers every request; events without a handler are acknowledged. */
export interface HttpReceiver<Profile> extends Routing<Profile, NodeContext> {
  (req: IncomingMessage, res: ServerResponse): void;
}

/** Receives webhooks of one endpoint. */
export function hookwright<const Profile extends AnyProfile = undefined>(
  options: NodeReceiverOptions<Profile, IncomingMessage>,
): HttpReceiver<Profile> {
  const receiver = new NodeReceiver<Profile, IncomingMessage, NodeContext>(options);
  const listener = (req: IncomingMessage, res: ServerResponse): void => {
    const incoming = { raw: req as NodeRequest, request: req, url: req.url ?? "", address: req.socket.remoteAddress };
    void receiver.respond(incoming, { req, res }).then((answer) => send(res, answer));
  };
  return routable(listener, receiver) as unknown as HttpReceiver<Profile>;
}
