// Real databases for the tests: SQLite in this process, and PostgreSQL and Redis where they are installed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

import sqlite from "node-sqlite3-wasm";
import pg from "pg";
import { createClient } from "redis";

/** SQLite with the methods of better-sqlite3 and node:sqlite, which need a compiler or a newer Node. */
export function openSqlite() {
  const database = new sqlite.Database(":memory:");
  const once = (sql, method, values) => {
    const statement = database.prepare(sql);
    try {
      return statement[method](values);
    } finally {
      statement.finalize();
    }
  };
  return {
    prepare: (sql) => ({
      all: (...values) => once(sql, "all", values),
      run: (...values) => once(sql, "run", values),
    }),
    close: () => database.close(),
  };
}

export const postgresUrl = process.env.HOOKWRIGHT_TEST_POSTGRES;

/** A pool in a schema of its own, until the test ends. */
export async function openPostgres(context) {
  const schema = `node_${process.pid}_${Math.floor(performance.now() * 1000)}`;
  const pool = new pg.Pool({ connectionString: postgresUrl, options: `-c search_path=${schema}`, max: 8 });
  await pool.query(`CREATE SCHEMA ${schema}`);
  context.after(async () => {
    await pool.query(`DROP SCHEMA ${schema} CASCADE`);
    await pool.end();
  });
  return pool;
}

/** A Redis server of its own on a socket, or why there is none. */
export async function startRedis(context) {
  const folder = await mkdtemp(path.join(tmpdir(), "hookwright-redis-"));
  const socket = path.join(folder, "s");
  const server = spawn("redis-server", ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(async () => {
    server.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });
  const missing = once(server, "error").then(([error]) => error.message);
  const ready = (async () => {
    for await (const line of createInterface({ input: server.stdout }))
      if (/ready to accept/i.test(line)) return undefined;
    return "redis-server ended";
  })();
  const problem = await Promise.race([missing, ready]);
  return problem === undefined ? { socket } : { problem };
}

export async function openRedis(context, socket) {
  const client = createClient({ socket: { path: socket } });
  // The server may go first when the test ends.
  client.on("error", () => {});
  await client.connect();
  context.after(() => client.destroy());
  return client;
}
