// What the stores in SQL databases have in common.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { SqlDedupeStore } from "hookwright/dedupe";
import { SqlQueueStore } from "hookwright/queue";

import { openPostgres, postgresUrl } from "./stores.mjs";

describe("tables in PostgreSQL", { skip: postgresUrl === undefined && "HOOKWRIGHT_TEST_POSTGRES is not set" }, () => {
  for (const Store of [SqlDedupeStore, SqlQueueStore]) {
    test(`${Store.name}: several processes may start at the same moment`, async (context) => {
      const pool = await openPostgres(context);
      const first = await pool.connect();
      try {
        await first.query("BEGIN");
        await new Store(first).createTable();
        const second = new Store(pool).createTable();
        // The second one has found no table, and now waits for whether the first one's comes to be.
        const waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND $1::int = ANY (pg_blocking_pids(pid))";
        while ((await pool.query(waiting, [first.processID])).rows.length === 0) await new Promise(setImmediate);
        await first.query("COMMIT");
        await second;
      } finally {
        first.release();
      }
    });

    test(`${Store.name}: what goes wrong otherwise is said`, async (context) => {
      const pool = await openPostgres(context);
      await assert.rejects(new Store(pool, { table: "nowhere.table_of_it" }).createTable(), { code: "3F000" });
    });
  }
});
