// Keeping events from being handled twice: stores of claims.
//
//   hookwright({ secret, profile, dedupe: { store: new RedisDedupeStore(client) } })

export { MemoryDedupeStore, type MemoryDedupeOptions } from "./dedupe/memory.js";
export { RedisDedupeStore, type RedisClient, type RedisDedupeOptions } from "./dedupe/redis.js";
export { SqlDedupeStore, type SqlDedupeOptions } from "./dedupe/sql.js";
export type { Claim, Clock, DedupeStore } from "./dedupe/store.js";
export type { DedupeOptions } from "./receiver.js";
export type { PostgresClient, SqlClient, SqliteDatabase } from "./sql.js";
