// Store, then answer: a queue of verified events with retries and dead letters.
//
//   const queue = new WebhookQueue({ store: new SqlQueueStore(pool), work }).start();
//   app.post("/webhooks", hookwright({ secret, profile }).otherwise(queue.enqueue));

export { MemoryQueueStore } from "./queue/memory.js";
export { QueuedWebhook, WebhookQueue, type WebhookQueueOptions } from "./queue/queue.js";
export { SqlQueueStore, type SqlQueueOptions } from "./queue/sql.js";
export type { DeadLetter, Job, QueueStore } from "./queue/store.js";
export type { PostgresClient, SqlClient, SqliteDatabase } from "./sql.js";
