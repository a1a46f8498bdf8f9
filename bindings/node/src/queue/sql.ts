// Jobs in a table: they survive the process, and several processes share the work.

import { Sql, tableName, type SqlClient, type SqlRow } from "../sql.js";
import type { DeadLetter, Job, QueueStore } from "./store.js";

export interface SqlQueueOptions {
  /** Absent: `hookwright_queue`. */
  readonly table?: string | undefined;
}

const COLUMNS = "id, type, body, attempts, last_error";

export class SqlQueueStore implements QueueStore {
  readonly #sql: Sql;
  readonly #table: string;

  constructor(client: SqlClient, { table = "hookwright_queue" }: SqlQueueOptions = {}) {
    this.#sql = new Sql(client);
    this.#table = tableName(table);
  }

  /** Makes the table, unless it is there. */
  async createTable(): Promise<void> {
    await this.#sql.create(
      `CREATE TABLE IF NOT EXISTS ${this.#table} (
         id TEXT PRIMARY KEY,
         type TEXT NOT NULL,
         body ${this.#sql.isPostgres ? "BYTEA" : "BLOB"} NOT NULL,
         attempts INTEGER NOT NULL,
         due_at BIGINT NOT NULL, -- Unix milliseconds; for a job that is being worked on, the end of its lease
         is_dead INTEGER NOT NULL DEFAULT 0,
         last_error TEXT NOT NULL DEFAULT ''
       )`,
    );
    await this.#sql.create(
      `CREATE INDEX IF NOT EXISTS ${this.#table.replace(".", "_")}_due ON ${this.#table} (due_at) WHERE is_dead = 0`,
    );
  }

  async put({ id, type, body, attempts }: Job, dueAt: number): Promise<void> {
    await this.#sql.run(
      `INSERT INTO ${this.#table} (id, type, body, attempts, due_at) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (id) DO NOTHING`,
      [id, type, body, attempts, dueAt],
    );
  }

  async take(now: number, leaseUntil: number): Promise<Job | undefined> {
    // SQLite lets one writer in at a time; PostgreSQL lets each worker pass over the rows of the others.
    const skip = this.#sql.isPostgres ? "FOR UPDATE SKIP LOCKED" : "";
    const [row] = await this.#sql.run(
      `UPDATE ${this.#table} SET due_at = $1 WHERE id = (
         SELECT id FROM ${this.#table} WHERE is_dead = 0 AND due_at <= $2 ORDER BY due_at LIMIT 1 ${skip}
       ) RETURNING ${COLUMNS}`,
      [leaseUntil, now],
    );
    return row && jobOf(row);
  }

  async done(id: string): Promise<void> {
    await this.#sql.run(`DELETE FROM ${this.#table} WHERE id = $1`, [id]);
  }

  async retry(id: string, attempts: number, dueAt: number, error: string): Promise<void> {
    await this.#sql.run(`UPDATE ${this.#table} SET attempts = $1, due_at = $2, last_error = $3 WHERE id = $4`, [
      attempts,
      dueAt,
      error,
      id,
    ]);
  }

  async bury(id: string, attempts: number, error: string): Promise<void> {
    await this.#sql.run(`UPDATE ${this.#table} SET attempts = $1, is_dead = 1, last_error = $2 WHERE id = $3`, [
      attempts,
      error,
      id,
    ]);
  }

  async nextDueAt(): Promise<number | undefined> {
    const [row] = await this.#sql.run(`SELECT min(due_at) AS due_at FROM ${this.#table} WHERE is_dead = 0`);
    return row?.due_at === null || row === undefined ? undefined : Number(row.due_at);
  }

  async deadLetters(limit: number): Promise<DeadLetter[]> {
    const rows = await this.#sql.run(
      `SELECT ${COLUMNS} FROM ${this.#table} WHERE is_dead = 1 ORDER BY due_at LIMIT $1`,
      [limit],
    );
    return rows.map((row) => ({ ...jobOf(row), error: String(row.last_error) }));
  }

  async revive(id: string, dueAt: number): Promise<boolean> {
    const rows = await this.#sql.run(
      `UPDATE ${this.#table} SET is_dead = 0, attempts = 0, due_at = $1 WHERE id = $2 AND is_dead = 1 RETURNING id`,
      [dueAt, id],
    );
    return rows.length > 0;
  }
}

function jobOf(row: SqlRow): Job {
  return {
    id: String(row.id),
    type: String(row.type),
    body: row.body as Uint8Array,
    attempts: Number(row.attempts),
  };
}
