// DigiVault's webhooks with Express: stored before they are acknowledged, worked on afterwards, each once.
// SQLite here is that of Node 22; better-sqlite3 and pg are used in the same way.
// @ts-check

import express from "express";
import { SqlDedupeStore } from "hookwright/dedupe";
import { hookwright } from "hookwright/express";
import { SqlQueueStore, WebhookQueue } from "hookwright/queue";

import { openDatabase } from "./database.mjs";

const database = await openDatabase();
const jobs = new SqlQueueStore(database);
const claims = new SqlDedupeStore(database);
await Promise.all([jobs.createTable(), claims.createTable()]);

const queue = new WebhookQueue({
  store: jobs,
  work: (event) => console.log(`${event.type} ${event.id}, attempt ${event.attempt}`),
  onDeadLetter: (event, error) => console.error(`gave up ${event.id}: ${error.message}`),
}).start();

export const app = express();
app.post(
  "/webhooks",
  hookwright({ secret: process.env.WEBHOOK_SECRET, profile: "digivault", dedupe: { store: claims } }).otherwise(
    queue.enqueue,
  ),
);

export const server = app.listen(process.env.PORT ?? 3000);
server.on("close", () => queue.stop());
