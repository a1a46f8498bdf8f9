// SQL databases, as far as the stores here need them: PostgreSQL and SQLite, through whatever client one has.

import { WebhookConfigurationError } from "./errors.js";

export type SqlValue = string | number | Uint8Array | null;
export type SqlRow = Readonly<Record<string, unknown>>;

/** A client or pool of the package `pg`. */
export interface PostgresClient {
  query(text: string, values: SqlValue[]): Promise<{ rows: SqlRow[] }>;
}

/** A database of `better-sqlite3`, `node:sqlite` or anything of that shape. */
export interface SqliteDatabase {
  prepare(sql: string): { all(...values: never[]): unknown[]; run(...values: never[]): unknown };
}

export type SqlClient = PostgresClient | SqliteDatabase;

/** Another session made it meanwhile: `unique_violation`, in PostgreSQL's catalog, and `duplicate_table`. */
const MADE_MEANWHILE = new Set(["23505", "42P07"]);

/** One statement at a time, with `$1`, `$2`, … for the values in the order in which they stand there. */
export class Sql {
  readonly isPostgres: boolean;
  readonly #client: SqlClient;

  constructor(client: SqlClient) {
    this.#client = client;
    this.isPostgres = "query" in client && typeof client.query === "function";
    if (!this.isPostgres && !("prepare" in client)) {
      throw new WebhookConfigurationError(
        "invalid_option",
        "the client has neither query(), as pg, nor prepare(), as SQLite",
      );
    }
  }

  /**
   * Runs a `CREATE … IF NOT EXISTS`. On PostgreSQL several sessions may find at the same moment that there is none, and
   * all but one of them fail; asked again, they find the one that was made.
   */
  async create(sql: string): Promise<void> {
    try {
      await this.run(sql);
    } catch (error) {
      if (!this.isPostgres || !MADE_MEANWHILE.has((error as { code?: string }).code ?? "")) throw error;
      await this.run(sql);
    }
  }

  async run(sql: string, values: SqlValue[] = []): Promise<SqlRow[]> {
    if (this.isPostgres) return (await (this.#client as PostgresClient).query(sql, values)).rows;
    const statement = (this.#client as SqliteDatabase).prepare(sql.replace(/\$\d+/g, "?"));
    // better-sqlite3 refuses to fetch rows from a statement that has none.
    if (/^\s*SELECT|\bRETURNING\b/.test(sql)) return statement.all(...(values as never[])) as SqlRow[];
    statement.run(...(values as never[]));
    return [];
  }
}

/** A name that can be written into a statement. */
export function tableName(name: string): string {
  if (/^[A-Za-z_][\w]*(\.[A-Za-z_]\w*)?$/.test(name)) return name;
  throw new WebhookConfigurationError(
    "invalid_option",
    `\`${name}\` is no name for a table: letters, digits and underscores`,
  );
}
