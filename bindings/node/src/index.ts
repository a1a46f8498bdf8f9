// hookwright: verify and sign webhooks.

export { Webhook, engine } from "./webhook.js";
export * from "./common.js";
