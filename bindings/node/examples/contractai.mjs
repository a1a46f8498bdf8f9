// ContractAI's webhooks with node:http alone. While a secret is being changed, both are accepted.
// @ts-check

import { createServer } from "node:http";

import { hookwright } from "hookwright/node";

const secret = [process.env.WEBHOOK_SECRET, process.env.OLD_WEBHOOK_SECRET].flatMap((text) => text ?? []);

export const server = createServer(
  hookwright({ secret, profile: "contractai" })
    .on("agent.*", (event) => console.log(`${event.type} ${event.id}`))
    .on("security.alert", (event) => console.log(`security: ${JSON.stringify(event.data)}`)),
).listen(process.env.PORT ?? 3000);
