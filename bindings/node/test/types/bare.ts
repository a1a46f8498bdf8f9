// Compiled with `lib: ["ES2023"]` and `types: []`: whatever the package's types name has to come from the package.

import {
  Webhook,
  WebhookVerificationError,
  type ProfileName,
  type SchemeName,
  type VerificationErrorCode,
} from "hookwright";
import { MemoryDedupeStore } from "hookwright/dedupe";
import { Webhook as EdgeWebhook } from "hookwright/edge";
import { MemoryQueueStore, WebhookQueue } from "hookwright/queue";
import { hookwright } from "hookwright/web";

const webhook = new Webhook("whsec_AAECAwQFBgcICQoLDA0ODxAREhM=", { profile: "filedgr", tolerance: 300 });
const event = webhook.verify(new Uint8Array(0), { "x-filedgr-signature": "00", accept: undefined, via: ["a", "b"] });

// The type tells what the data is.
if (event.type === "vault.created") {
  const owner: string = event.data.owner;
  const type: "vault.created" = event.json().eventType;
  void [owner, type];
}
if (event.type === "stream.alert_triggered") {
  const threshold: number = event.data.threshold;
  void threshold;
}
// @ts-expect-error -- no such event
if (event.type === "vault.painted") void 0;
// @ts-expect-error -- it may be any event, and not all have an owner
void event.data.owner;

const scheme: SchemeName = "stripe";
const profile: ProfileName = "digivault";
// @ts-expect-error -- no such scheme
const unknown: SchemeName = "strpe";
const anything = new Webhook(["new", "old"], { scheme }).verify("{}", []);
const parsed: unknown = anything.json();
void [profile, unknown, parsed];

// @ts-expect-error -- no such profile
new Webhook("secret", { profile: "filedger" });
// @ts-expect-error -- a parsed body is another body
webhook.verify({ eventType: "vault.created" }, {});

try {
  webhook.verify("", {});
} catch (error) {
  if (error instanceof WebhookVerificationError) {
    const code: VerificationErrorCode = error.code;
    // @ts-expect-error -- no such code
    if (error.code === "signature_mismatched") void 0;
    void code;
  }
}

const handler = hookwright({
  secret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=",
  profile: "digivault",
  dedupe: { store: new MemoryDedupeStore() },
})
  .on("contact.created", (created) => {
    const id: string = created.data.id;
    return id;
  })
  .on("conversation.*", (conversation) => conversation.type)
  .otherwise((other) => other.id);
void handler;

export async function edge(): Promise<string> {
  const verified = await new EdgeWebhook("secret", { profile: "aetherflow" }).verifyAsync("{}", new Map());
  return verified.type;
}

const queue = new WebhookQueue({ store: new MemoryQueueStore(), work: ({ attempt }) => attempt });
void queue.enqueue(event);
