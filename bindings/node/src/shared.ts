// What the synchronous and the asynchronous `Webhook` have in common.

import { WebhookConfigurationError } from "./errors.js";
import { utf8 } from "./interpreter/bytes.js";
import type { MessageToSign } from "./interpreter/endpoint.js";
import type { SignOptions, VerifyOptions } from "./types.js";

/** Unix seconds, with a fraction perhaps. */
export function secondsOf(time: Date | number | undefined): number {
  if (time === undefined) return Date.now() / 1000;
  const seconds = typeof time === "number" ? time : time.getTime() / 1000;
  if (!Number.isFinite(seconds)) throw new TypeError("the time must be a Date or a number of Unix seconds");
  return seconds;
}

/** Fails when a scheme signs the URL and nobody said which. */
export function checkUrl(signsUrl: boolean, schemes: readonly string[], options: VerifyOptions | undefined): void {
  if (signsUrl && options?.url === undefined) {
    throw new WebhookConfigurationError(
      "invalid_option",
      `${schemes[0]} signs the URL: pass { url } with the URL that is registered with the sender, which behind a ` +
        "proxy is not the one that arrives",
    );
  }
}

export function messageOf(body: Uint8Array, options: SignOptions): MessageToSign {
  return {
    id: options.id ?? `msg_${randomId()}`,
    timestamp: secondsOf(options.timestamp),
    body,
    method: options.method ?? "POST",
    url: options.url ?? "",
  };
}

export function jsonBytes(data: unknown): Uint8Array {
  const text = JSON.stringify(data);
  if (text === undefined) throw new TypeError("the data must be something that JSON can hold");
  return utf8(text);
}

/** Names and JSON texts in turns. */
export function jsonTurns(members: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(members).flatMap(([name, value]) => [name, JSON.stringify(value) ?? "null"]);
}

/** 128 random bits, in letters and digits. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

let hasWarned = false;

/** Says once per process that a secret is short. Where there is nobody to tell, nothing is said. */
export function warnOfShortSecret(): void {
  if (hasWarned) return;
  hasWarned = true;
  const host = globalThis as { process?: { emitWarning?(message: string, options: { code: string }): void } };
  host.process?.emitWarning?.("a webhook secret has fewer than 16 bytes and can be guessed; use 32 random ones", {
    code: "HOOKWRIGHT_SHORT_SECRET",
  });
}
