// The web's requests and responses: getting at the raw body, and answering.

import { bytesOfAnswer, type Answer } from "./answer.js";
import { WebhookVerificationError } from "./errors.js";
import { concat } from "./interpreter/bytes.js";
import type { AnyProfile, Receiver } from "./receiver.js";
import type { AnyEventOf } from "./types.js";
import type { WebRequest } from "./web-types.js";

/** The verified event, or the answer to a platform that only checks the endpoint. */
export async function accept<Profile extends AnyProfile, Request, Context>(
  receiver: Receiver<Profile, Request, Context>,
  web: WebRequest,
  request: Request,
): Promise<{ event: AnyEventOf<Profile> } | { answer: Answer }> {
  const { headers, method } = web;
  const body = await rawBody(web, receiver.limit);
  const answer = await receiver.shake({ body, headers, method }, request, web.url);
  if (answer !== undefined) return { answer };
  if (method !== "POST") {
    throw new WebhookVerificationError("method_not_allowed", `webhooks come by POST, not by ${method}`);
  }
  return { event: await receiver.verify({ body, headers, method }, request) };
}

export function response(answer: Answer): Response {
  // A connection is not the web's business; runtimes refuse the header.
  const { connection: _, ...headers } = answer.headers;
  const isEmpty = answer.status === 204;
  return new Response(isEmpty ? null : (bytesOfAnswer(answer) as BodyInit), { status: answer.status, headers });
}

/** The raw body, within the limit. */
async function rawBody(request: WebRequest, limit: number): Promise<Uint8Array> {
  if (request.bodyUsed) {
    throw new WebhookVerificationError(
      "body_consumed",
      "the body was read before it could be verified: hand the request over first, and read event.json() afterwards",
    );
  }
  const tooLarge = () =>
    new WebhookVerificationError(
      "body_too_large",
      `the body is longer than ${limit} bytes; raise { limit } if it may be`,
    );
  if (Number(request.headers.get("content-length")) > limit) throw tooLarge();
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new WebhookVerificationError("body_incomplete", "the connection was lost before the body was complete");
    });
    if (done || value === undefined) return chunks.length === 1 ? (chunks[0] as Uint8Array) : concat(chunks);
    length += value.length;
    if (length > limit) {
      await reader.cancel().catch(() => {});
      throw tooLarge();
    }
    chunks.push(value);
  }
}
