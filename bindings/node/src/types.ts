// What a verified webhook is, by the profile that it was verified with.

import type { ProfileEnvelopes, ProfileEvents } from "./generated/events.js";
import type { VerifiedWebhook } from "./verified.js";

/** The event types of a platform and what their data looks like. */
export type EventMap = { readonly [type: string]: unknown };

/** The events of a profile: its own catalogue where it is built in, anything otherwise. */
export type EventsOf<Profile> = Profile extends keyof ProfileEvents ? ProfileEvents[Profile] : EventMap;

/** A webhook of one type. */
export type EventOf<Profile, Type extends string> = VerifiedWebhook<
  EnvelopeOf<Profile, Type, DataOf<Profile, Type>>,
  Type,
  DataOf<Profile, Type>
>;

/** Any webhook of a profile. `switch (event.type)` tells them apart. */
export type AnyEventOf<Profile> = Profile extends keyof ProfileEvents
  ? string extends keyof ProfileEvents[Profile]
    ? EventOf<Profile, string>
    : { [Type in keyof ProfileEvents[Profile] & string]: EventOf<Profile, Type> }[keyof ProfileEvents[Profile] & string]
  : VerifiedWebhook;

type DataOf<Profile, Type extends string> = Profile extends keyof ProfileEvents
  ? Type extends keyof ProfileEvents[Profile]
    ? ProfileEvents[Profile][Type]
    : unknown
  : unknown;

type EnvelopeOf<Profile, Type extends string, Data> = Profile extends keyof ProfileEnvelopes<Type, Data>
  ? ProfileEnvelopes<Type, Data>[Profile]
  : unknown;

/** What `verify` takes beside body and headers. */
export interface VerifyOptions {
  /** The time to verify at: a `Date`, or Unix seconds. Absent: now. */
  readonly now?: Date | number | undefined;
  /** The URL as the sender knows it, for the schemes that sign it: Twilio, Square, HubSpot. */
  readonly url?: string | undefined;
  /** The method, for the schemes that sign it. Absent: POST. */
  readonly method?: string | undefined;
}

/** What `sign` takes beside the body. */
export interface SignOptions {
  /** The message id, for the schemes that sign one. Absent: a random one. */
  readonly id?: string | undefined;
  /** The time to sign: a `Date`, or Unix seconds. Absent: now. */
  readonly timestamp?: Date | number | undefined;
  readonly url?: string | undefined;
  readonly method?: string | undefined;
}

/** An event to be sent as a profile's platform would send it. */
export interface EventToSign extends SignOptions {
  readonly type: string;
  readonly data: unknown;
  /** What the envelope has room for beside the data. */
  readonly extras?: Readonly<Record<string, unknown>> | undefined;
  /** Absent: the time of signing. */
  readonly occurredAt?: Date | undefined;
}

/** A body with the headers that go with it. */
export interface SignedMessage {
  readonly body: Uint8Array;
  readonly headers: Record<string, string>;
}
