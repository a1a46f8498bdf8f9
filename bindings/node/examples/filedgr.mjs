// Filedgr's webhooks with Express: handlers by type, data checked by schema, a limit per address.
// @ts-check

import express from "express";
import { rateLimit } from "express-rate-limit";
import { hookwright } from "hookwright/express";
import { schemaValidator } from "hookwright/validation";

const webhooks = hookwright({
  secret: process.env.WEBHOOK_SECRET,
  profile: "filedgr",
  validate: schemaValidator("filedgr"),
  onError: (error, req) => console.warn(`refused ${req.ip}: ${"code" in error ? error.code : error.message}`),
})
  .on("vault.created", (event) => console.log(`${event.data.owner} made vault ${event.data.vaultId}`))
  .on("stream.*", (event) => console.log(`${event.type} ${event.id}: ${JSON.stringify(event.data)}`))
  .otherwise((event) => console.log(`${event.type} ${event.id}`));

export const app = express();
app.post("/webhooks", rateLimit({ windowMs: 60_000, limit: 100 }), webhooks);

export const server = app.listen(process.env.PORT ?? 3000);
