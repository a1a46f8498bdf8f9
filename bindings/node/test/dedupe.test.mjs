// Stores of claims, each on the real thing: an event that is handled twice charges a customer twice.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { MemoryDedupeStore, RedisDedupeStore, SqlDedupeStore } from "hookwright/dedupe";

import { openPostgres, openRedis, openSqlite, postgresUrl, startRedis } from "./stores.mjs";

/** What every store has to do. `pass` lets time go by, in milliseconds. */
async function exercise(store, pass) {
  const first = await store.claim("evt_1", 60);
  assert.equal(first.state, "new");
  assert.deepEqual(await store.claim("evt_1", 60), { state: "in_flight" }, "somebody works on it");
  assert.equal((await store.claim("evt_2", 60)).state, "new", "keys do not meddle with one another");

  await store.release("evt_1", "not the token");
  assert.equal((await store.claim("evt_1", 60)).state, "in_flight", "nobody else can give a claim back");
  await store.release("evt_1", first.token);
  const second = await store.claim("evt_1", 60);
  assert.equal(second.state, "new", "a claim that was given back can be had again");

  await store.complete("evt_1", first.token, 600);
  assert.equal((await store.claim("evt_1", 60)).state, "in_flight", "an old claim decides nothing any more");
  await store.complete("evt_1", second.token, 600);
  assert.deepEqual(await store.claim("evt_1", 60), { state: "done" });
  await store.release("evt_1", second.token);
  assert.deepEqual(await store.claim("evt_1", 60), { state: "done" }, "what is done stays done");

  const crashed = await store.claim("evt_3", 0.05);
  await pass(60);
  const other = await store.claim("evt_3", 60);
  assert.equal(other.state, "new", "the lease of a worker that crashed runs out");
  await store.complete("evt_3", crashed.token, 600);
  assert.equal((await store.claim("evt_3", 60)).state, "in_flight", "and should it wake up, it decides nothing");

  await store.complete("evt_3", other.token, 0.05);
  await pass(60);
  assert.equal((await store.claim("evt_3", 60)).state, "new", "what was done is forgotten after its time");
}

async function race(stores) {
  const states = await Promise.all(
    Array.from({ length: 40 }, (_, n) => stores[n % stores.length].claim("evt_race", 60)),
  );
  const counts = states.map(({ state }) => state).sort();
  assert.deepEqual(counts, [...Array(39).fill("in_flight"), "new"], "of forty at the same time, one wins");
}

function clock() {
  const time = { now: 1_000_000 };
  return { read: () => time.now, pass: async (ms) => void (time.now += ms) };
}

describe("claims", () => {
  test("in memory", async () => {
    const { read, pass } = clock();
    await exercise(new MemoryDedupeStore({ clock: read }), pass);
    await race([new MemoryDedupeStore()]);
  });

  test("in memory, within a bound", async () => {
    const { read, pass } = clock();
    const store = new MemoryDedupeStore({ maxKeys: 1000, clock: read });
    for (let n = 0; n < 5000; n++) await store.claim(`evt_${n}`, 60);
    assert.equal(store.size, 1000);
    await pass(60_000);
    await store.claim("evt_last", 60);
    assert.equal(store.size, 1, "what has expired makes room");
  });

  test("in SQLite", async (context) => {
    const { read, pass } = clock();
    const database = openSqlite();
    context.after(() => database.close());
    const store = new SqlDedupeStore(database, { clock: read });
    await store.createTable();
    await store.createTable();
    await exercise(store, pass);
    await race([store]);
    await pass(1e9);
    await store.prune();
    assert.deepEqual(database.prepare("SELECT count(*) AS n FROM hookwright_dedupe").all(), [{ n: 0 }]);
  });

  test(
    "in PostgreSQL",
    { skip: postgresUrl === undefined && "HOOKWRIGHT_TEST_POSTGRES is not set" },
    async (context) => {
      const { read, pass } = clock();
      const pool = await openPostgres(context);
      const store = new SqlDedupeStore(pool, { clock: read });
      await store.createTable();
      await exercise(store, pass);
      await race([store, new SqlDedupeStore(pool, { clock: read })]);
    },
  );

  test("in Redis", async (context) => {
    const { socket, problem } = await startRedis(context);
    if (problem !== undefined) {
      context.skip(`no Redis: ${problem}; apt-get install redis-server`);
      return;
    }
    const client = await openRedis(context, socket);
    const store = new RedisDedupeStore(client, { prefix: "test:" });
    // Redis has a clock of its own, which cannot be moved; leases here are of 50 ms, and it is asked until they end.
    const pass = async () => {
      while ((await client.sendCommand(["PTTL", "test:evt_3"])) !== -2) await new Promise(setImmediate);
    };
    await exercise(store, pass);
    const others = await Promise.all([1, 2].map(() => openRedis(context, socket)));
    await race([store, ...others.map((other) => new RedisDedupeStore(other, { prefix: "test:" }))]);
  });

  test("ioredis is called as ioredis wants it", async () => {
    const calls = [];
    const client = { call: async (...args) => void calls.push(args) ?? "OK", sendCommand: () => assert.fail() };
    await new RedisDedupeStore(client).claim("evt_1", 60);
    assert.deepEqual(
      [calls[0][0], calls[0][1], ...calls[0].slice(3)],
      ["SET", "hookwright:evt_1", "NX", "PX", "60000"],
    );
  });

  test("a table's name that is none, and a client that is none, are refused", () => {
    assert.throws(() => new SqlDedupeStore(openSqlite(), { table: "x; DROP TABLE y" }), { code: "invalid_option" });
    assert.throws(() => new SqlDedupeStore({}), { code: "invalid_option" });
  });
});
