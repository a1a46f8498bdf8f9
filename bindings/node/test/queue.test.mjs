// The queue on each of its stores: what was acknowledged must be worked on, tried again, and kept when it fails.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { MemoryQueueStore, SqlQueueStore, WebhookQueue } from "hookwright/queue";

import { openPostgres, openSqlite, postgresUrl } from "./stores.mjs";

const event = (id, body = '{"n":1}') => ({ id, type: "vault.created", body: Buffer.from(body) });

async function exercise(store) {
  let now = 1_000_000;
  const worked = [];
  const given = [];
  let fails = () => false;
  const queue = new WebhookQueue({
    store,
    clock: () => now,
    delaysSeconds: [10, 60],
    leaseSeconds: 300,
    onDeadLetter: ({ id }, error) => given.push([id, error.message]),
    work: async (queued) => {
      worked.push([queued.id, queued.attempt, queued.json().n]);
      if (fails(queued)) throw new Error("the shop is closed");
    },
  });

  await queue.enqueue(event("evt_1"));
  await queue.enqueue(event("evt_1", '{"n":2}'));
  await queue.enqueue(event("evt_2"));
  await queue.drain();
  assert.deepEqual(
    worked.splice(0).sort(),
    [
      ["evt_1", 1, 1],
      ["evt_2", 1, 1],
    ],
    "each event once, a repeated one not again",
  );
  await queue.drain();
  assert.deepEqual(worked, []);

  fails = () => true;
  await queue.enqueue(event("evt_3"));
  await queue.drain();
  assert.equal(await store.nextDueAt(), now + 10_000);
  now += 9_999;
  await queue.drain();
  assert.equal(worked.length, 1, "not before its time");
  now += 1;
  await queue.drain();
  now += 60_000;
  await queue.drain();
  assert.deepEqual(
    worked.splice(0).map(([, attempt]) => attempt),
    [1, 2, 3],
  );
  assert.deepEqual(given, [["evt_3", "the shop is closed"]]);
  const [dead] = await queue.deadLetters();
  assert.deepEqual(
    [dead.id, dead.attempts, dead.error, dead.type],
    ["evt_3", 3, "the shop is closed", "vault.created"],
  );
  assert.equal(Buffer.from(dead.body).toString(), '{"n":1}');
  now += 1e9;
  await queue.drain();
  assert.deepEqual(worked, [], "a dead letter rests");

  fails = () => false;
  assert.equal(await queue.retryDeadLetter("evt_3"), true);
  assert.equal(await queue.retryDeadLetter("evt_3"), false);
  await queue.drain();
  assert.deepEqual(worked.splice(0), [["evt_3", 1, 1]]);
  assert.deepEqual(await queue.deadLetters(), []);

  await queue.enqueue(event("evt_4"));
  const abandoned = await store.take(now, now + 300_000);
  assert.equal(abandoned.id, "evt_4");
  await queue.drain();
  assert.deepEqual(worked, [], "what another process works on is left alone");
  now += 300_000;
  await queue.drain();
  assert.deepEqual(worked.splice(0), [["evt_4", 1, 1]], "until its lease has run out");
}

describe("the queue", () => {
  test("in memory", () => exercise(new MemoryQueueStore()));

  test("in SQLite", async (context) => {
    const database = openSqlite();
    context.after(() => database.close());
    const store = new SqlQueueStore(database);
    await store.createTable();
    await exercise(store);
  });

  test(
    "in PostgreSQL",
    { skip: postgresUrl === undefined && "HOOKWRIGHT_TEST_POSTGRES is not set" },
    async (context) => {
      const pool = await openPostgres(context);
      const store = new SqlQueueStore(pool);
      await store.createTable();
      await store.createTable();
      await exercise(store);
      for (let n = 0; n < 40; n++) await store.put({ ...event(`evt_p${n}`), attempts: 0 }, 0);
      const taken = await Promise.all(Array.from({ length: 60 }, () => new SqlQueueStore(pool).take(1, 1000)));
      const ids = taken.filter(Boolean).map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length, "no event is taken twice");
      assert.equal(ids.length, 40);
    },
  );

  test("once started, it works on what comes without being asked, and stops when told to", async () => {
    let worked;
    const first = new Promise((resolve) => (worked = resolve));
    const queue = new WebhookQueue({ store: new MemoryQueueStore(), work: ({ id }) => worked(id) }).start();
    await queue.enqueue(event("evt_1"));
    assert.equal(await first, "evt_1");
    await queue.stop();
  });

  test("a store that fails is reported, and the queue goes on", async () => {
    const store = new MemoryQueueStore();
    const take = store.take.bind(store);
    let reported;
    const told = new Promise((resolve) => (reported = resolve));
    let worked;
    const first = new Promise((resolve) => (worked = resolve));
    let isBroken = true;
    store.take = async (...when) => {
      if (isBroken) throw new Error("connection refused");
      return take(...when);
    };
    const queue = new WebhookQueue({ store, onError: reported, work: ({ id }) => worked(id) }).start();
    assert.equal((await told).message, "connection refused");
    isBroken = false;
    await queue.enqueue(event("evt_1"));
    assert.equal(await first, "evt_1");
    await queue.stop();
  });

  test("an event without an id is refused: it could not be told from another", async () => {
    const queue = new WebhookQueue({ store: new MemoryQueueStore(), work: () => {} });
    await assert.rejects(queue.enqueue({ id: undefined, type: "x", body: Buffer.from("{}") }), {
      code: "invalid_option",
    });
  });
});
