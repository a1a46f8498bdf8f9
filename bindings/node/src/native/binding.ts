// The addon, if one fits this machine.

import loaded from "../../binding/load.cjs";

import type { Envelope } from "../interpreter/profile.js";

/** What native/lib.rs exports. */
export interface Native {
  /** `undefined`: too long for this way, or several values for one header; take `verifyListed`. */
  verify(handle: number, body: Uint8Array, line: string, now: number, target?: string): number | string | undefined;
  receive(handle: number, body: Uint8Array, line: string, now: number, target?: string): string | undefined;
  bindKeys(texts: readonly string[]): Decryption;
  bindScheme(scheme: string, secrets: readonly string[], tolerance: number): Binding;
  bindProfile(profile: string, secrets: readonly string[], tolerance: number): Binding;
}

export interface Decryption {
  /** `null` for a body that is not encrypted; text when it is refused. */
  decrypt(body: Uint8Array): Uint8Array | string | null;
}

export interface Binding {
  handle(): number;
  slots(): string[];
  schemes(): string[];
  signsUrl(): boolean;
  hasShortSecret(): boolean;
  hasHandshake(): boolean;
  verifyListed(body: Uint8Array, listed: readonly string[], now: number, target?: string): number | string;
  parse(body: Uint8Array, listed: readonly string[]): Envelope | string;
  answerHandshake(
    body: Uint8Array,
    listed: readonly string[],
    now: number,
    target: string,
    settings: { name?: string; verifyToken?: string; allowedOrigins: readonly string[] },
  ): { status: number; headers: string[]; body: Uint8Array; refusal?: string } | string | null;
  explain(body: Uint8Array, listed: readonly string[], now: number, target: string): string | null;
  sign(body: Uint8Array, id: string, timestamp: number, target?: string): string[];
  render(
    id: string,
    type: string,
    occurredAtMs: number,
    data: Uint8Array,
    extras: readonly string[],
  ): Uint8Array | null;
  extraHeaders(id: string, type: string): string[];
}

export const { native, error } = loaded as { native: Native | undefined; error: Error | undefined };
