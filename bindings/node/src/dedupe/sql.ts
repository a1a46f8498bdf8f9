// Claims in a table, for any number of processes that share a database.

import { randomId } from "../shared.js";
import { Sql, tableName, type SqlClient } from "../sql.js";
import type { Claim, Clock, DedupeStore } from "./store.js";

export interface SqlDedupeOptions {
  /** Absent: `hookwright_dedupe`. */
  readonly table?: string | undefined;
  readonly clock?: Clock | undefined;
}

export class SqlDedupeStore implements DedupeStore {
  readonly #sql: Sql;
  readonly #table: string;
  readonly #clock: Clock;

  constructor(client: SqlClient, { table = "hookwright_dedupe", clock = Date.now }: SqlDedupeOptions = {}) {
    this.#sql = new Sql(client);
    this.#table = tableName(table);
    this.#clock = clock;
  }

  /** Makes the table, unless it is there. */
  async createTable(): Promise<void> {
    await this.#sql.create(
      `CREATE TABLE IF NOT EXISTS ${this.#table} (
         key TEXT PRIMARY KEY,
         token TEXT NOT NULL, -- empty when the event was handled
         expires_at BIGINT NOT NULL -- Unix milliseconds
       )`,
    );
  }

  async claim(key: string, leaseSeconds: number): Promise<Claim> {
    const token = randomId();
    const now = this.#clock();
    for (;;) {
      // One statement, so of several claims at the same time one writes the row and the others see it.
      const taken = await this.#sql.run(
        `INSERT INTO ${this.#table} AS held (key, token, expires_at) VALUES ($1, $2, $3)
         ON CONFLICT (key) DO UPDATE SET token = excluded.token, expires_at = excluded.expires_at
         WHERE held.expires_at <= $4
         RETURNING token`,
        [key, token, now + leaseSeconds * 1000, now],
      );
      if (taken.length > 0) return { state: "new", token };
      const [held] = await this.#sql.run(`SELECT token FROM ${this.#table} WHERE key = $1`, [key]);
      if (held !== undefined) return { state: held.token === "" ? "done" : "in_flight" };
      // It was given back between the two questions, so it is free.
    }
  }

  async complete(key: string, token: string, ttlSeconds: number): Promise<void> {
    const expiresAt = this.#clock() + ttlSeconds * 1000;
    await this.#sql.run(`UPDATE ${this.#table} SET token = '', expires_at = $1 WHERE key = $2 AND token = $3`, [
      expiresAt,
      key,
      token,
    ]);
  }

  async release(key: string, token: string): Promise<void> {
    await this.#sql.run(`DELETE FROM ${this.#table} WHERE key = $1 AND token = $2`, [key, token]);
  }

  /** Removes what has expired. Call it now and then; nothing goes wrong without. */
  async prune(): Promise<void> {
    await this.#sql.run(`DELETE FROM ${this.#table} WHERE expires_at <= $1`, [this.#clock()]);
  }
}
