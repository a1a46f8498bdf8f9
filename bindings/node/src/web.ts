// hookwright for whatever speaks the web's Request and Response: Workers, Deno, Bun, Next.js, SvelteKit, Remix.
//
//   export default { fetch: hookwright({ secret, profile: "filedgr" }).on("vault.created", handle) };

import { Webhook } from "#webhook";

import { Receiver, routable, type AnyProfile, type ReceiverOptions, type Routing } from "./receiver.js";
import { accept, response } from "./web-request.js";
import type { WebRequest } from "./web-types.js";

export type { WebRequest };

/** A function from a request to a response. Events without a handler are acknowledged. */
export interface WebReceiver<Profile, Request extends WebRequest = WebRequest> extends Routing<
  Profile,
  { readonly request: Request }
> {
  // A `Response`, whose type is the runtime's
  (request: Request, ...rest: any[]): Promise<any>;
}

/** Receives webhooks of one endpoint. */
export function hookwright<const Profile extends AnyProfile = undefined, Request extends WebRequest = WebRequest>(
  options: ReceiverOptions<Profile, Request>,
): WebReceiver<Profile, Request> {
  const receiver = new Receiver<Profile, Request, { readonly request: Request }>(
    options,
    (secret, webhookOptions) => new Webhook<Profile>(secret, webhookOptions),
  );
  const handler = async (request: Request): Promise<Response> => {
    try {
      const accepted = await accept(receiver, request, request);
      if ("answer" in accepted) return response(accepted.answer);
      return response(await receiver.handle(accepted.event, request, { request }));
    } catch (error) {
      return response(receiver.refuse(error, request));
    }
  };
  return routable(handler, receiver) as unknown as WebReceiver<Profile, Request>;
}
