// Node's requests: getting at the raw body, whoever was there before.

import type { IncomingMessage, ServerResponse } from "node:http";

import { bytesOfAnswer, type Answer } from "./answer.js";
import { WebhookVerificationError } from "./errors.js";

/** What Node and the frameworks on it hang on a request. */
export type NodeRequest = IncomingMessage & { body?: unknown; rawBody?: unknown; originalUrl?: string };

/**
 * Keeps the raw bytes for hookwright when another parser has to come first:
 * `app.use(express.json({ verify: keepRawBody }))`.
 */
export function keepRawBody(request: unknown, _response: unknown, bytes: Uint8Array): void {
  (request as { rawBody?: Uint8Array }).rawBody = bytes;
}

/** The raw body: what was kept of it, or read from the stream. Settles whatever the stream does. */
export async function rawBody(request: NodeRequest, limit: number): Promise<Uint8Array> {
  const kept = keptBody(request);
  if (kept !== undefined) {
    if (kept.length > limit) throw tooLarge(limit);
    return kept;
  }
  if (request.readableDidRead || request.readableEnded) {
    // A request without a body ends before anybody reads it, and nothing of it is lost.
    if (request.body === undefined && request.readableEnded && hasNoBody(request)) return new Uint8Array(0);
    throw new WebhookVerificationError("body_consumed", CONSUMED);
  }
  if (Number(request.headers["content-length"]) > limit) throw tooLarge(limit);
  return read(request, limit);
}

const CONSUMED =
  "the body was read before it could be verified, and what a parser made of it cannot be turned back into the bytes " +
  "that were signed. Mount hookwright before express.json() and other body parsers, or let the parser keep the bytes: " +
  'app.use(express.json({ verify: keepRawBody })), with `import { keepRawBody } from "hookwright/express"`';

function keptBody({ rawBody: kept, body }: NodeRequest): Uint8Array | undefined {
  // Text has been decoded, and perhaps lost a byte order mark or what was no valid text; only bytes will do.
  return [kept, body].find((bytes): bytes is Uint8Array => ArrayBuffer.isView(bytes));
}

function hasNoBody({ headers }: NodeRequest): boolean {
  return headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0;
}

function read(request: NodeRequest, limit: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const settle = (outcome: Uint8Array | WebhookVerificationError) => {
      request.off("data", onData).off("end", onEnd).off("error", onLost).off("close", onLost);
      if (outcome instanceof Error) {
        // Errors that come later have nobody left who cares.
        request.on("error", () => {});
        request.pause();
        reject(outcome);
      } else {
        resolve(outcome);
      }
    };
    const onData = (chunk: Uint8Array | string) => {
      if (typeof chunk === "string") {
        settle(
          new WebhookVerificationError(
            "body_consumed",
            "setEncoding() was called on the request; the raw bytes are needed",
          ),
        );
        return;
      }
      length += chunk.length;
      if (length > limit) settle(tooLarge(limit));
      else chunks.push(chunk);
    };
    const onEnd = () => settle(chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, length));
    const onLost = () =>
      settle(new WebhookVerificationError("body_incomplete", "the connection was lost before the body was complete"));
    // A request that has been torn down already tells nobody about it again.
    if (request.destroyed || request.closed) {
      onLost();
      return;
    }
    request.on("data", onData).on("end", onEnd).on("error", onLost).on("close", onLost);
  });
}

function tooLarge(limit: number): WebhookVerificationError {
  return new WebhookVerificationError(
    "body_too_large",
    `the body is longer than ${limit} bytes; raise { limit } if it may be`,
  );
}

/** Sends an answer, unless there is nobody to send it to any more. */
export function send(response: ServerResponse, answer: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const bytes = bytesOfAnswer(answer);
  response.writeHead(answer.status, { ...answer.headers, "content-length": bytes.length });
  response.end(bytes);
}

export function methodNotAllowed(method: string | undefined): WebhookVerificationError {
  return new WebhookVerificationError("method_not_allowed", `webhooks come by POST, not by ${method}`);
}
