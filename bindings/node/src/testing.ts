// For the tests of one's own receiver: signed requests, as the platform would send them.

import { WebhookConfigurationError } from "./errors.js";
import { CATALOGUE } from "./generated/catalogue.js";
import type { ProfileName } from "./generated/profiles.js";
import type { SchemeName } from "./generated/schemes.js";
import type { WebhookOptions } from "./endpoint.js";
import type { ProfileDescription } from "./interpreter/profile.js";
import type { SchemeDescription } from "./interpreter/scheme.js";
import type { SignedMessage } from "./types.js";
import { Webhook } from "./webhook.js";

/** What to send. Without data, the platform's own sample of that type. */
export interface TestEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly id?: string | undefined;
  readonly timestamp?: Date | number | undefined;
  readonly url?: string | undefined;
  readonly method?: string | undefined;
}

export interface SignOptionsForTests extends WebhookOptions<
  SchemeName | SchemeDescription,
  ProfileName | ProfileDescription
> {
  readonly secret: string | readonly string[];
}

/** The event types that a built-in profile documents. */
export function eventTypes(profile: ProfileName): string[] {
  return Object.keys(CATALOGUE[profile]?.events ?? {});
}

/** The data that a platform's documentation shows for a type, as a copy of one's own. */
export function sampleData(profile: ProfileName, type: string): unknown {
  const event = CATALOGUE[profile]?.events[type];
  if (event?.sample === undefined) {
    throw new WebhookConfigurationError("invalid_option", `the profile ${profile} has no sample of \`${type}\``);
  }
  return structuredClone(event.sample);
}

/** A request as the platform would send it: `fetch(url, signedRequest({ secret, profile }, { type }))`. */
export function signedRequest(
  { secret, ...options }: SignOptionsForTests,
  event: TestEvent,
): SignedMessage & { readonly method: "POST" } {
  const { profile } = options;
  const webhook = new Webhook(secret, options);
  if (profile === undefined) {
    const body = new TextEncoder().encode(JSON.stringify(event.data ?? { type: event.type }));
    const headers = { "Content-Type": "application/json", ...webhook.sign(body, event) };
    return { method: "POST", body, headers };
  }
  const data =
    event.data ?? sampleData(typeof profile === "string" ? profile : (profile.name as ProfileName), event.type);
  return { method: "POST", ...webhook.signEvent({ ...event, data }) };
}

/** What `supertest` and `superagent` give for a request that is not sent yet. */
export interface SupertestRequest {
  set(headers: Record<string, string>): this;
  serialize(serializer: (body: unknown) => string): this;
  send(body: unknown): this;
}

/** With supertest: `await deliver(request(app).post("/webhooks"), signedRequest(…)).expect(200)`. */
export function deliver<Test extends SupertestRequest>(test: Test, { body, headers }: SignedMessage): Test {
  // superagent would write the bytes as JSON, as an object with numbered members.
  return test
    .set(headers)
    .serialize((bytes) => bytes as string)
    .send(Buffer.from(body));
}
