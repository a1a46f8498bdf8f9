// The mistakes in the sample code that platforms publish, each with what must happen instead. The numbers are those of
// the list that they were collected in.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

import { Webhook, WebhookVerificationError } from "hookwright";
import { MemoryDedupeStore } from "hookwright/dedupe";
import { hookwright } from "hookwright/express";
import { MemoryQueueStore, WebhookQueue } from "hookwright/queue";
import { signedRequest } from "hookwright/testing";
import { schemaValidator } from "hookwright/validation";

import { ENGINES } from "./engines.mjs";

const express = createRequire(import.meta.url)("express");
const SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";
const SEEDS = ["filedgr", "digivault", "aetherflow", "x-webhook-signature"];
const BODY = Buffer.from(
  '{ "event" : "workflow.completed", "price":1.0, "note":"\\u00e9", "2":1, "1":2, "big":9007199254740993 }',
);
const NOW = 1_705_314_600;

function signatureName(scheme) {
  return Object.keys(new Webhook(SECRET, { scheme }).sign(BODY))[0].toLowerCase();
}

function signature(scheme, body = BODY) {
  return Object.values(new Webhook(SECRET, { scheme }).sign(body))[0];
}

/** The code with which every engine refuses, or "ok"; they must agree. */
async function verdict(scheme, body, headers) {
  const codes = await Promise.all(
    Object.values(ENGINES).map(async (makeEndpoint) => {
      try {
        await makeEndpoint(SECRET, { scheme }).verify(body, headers, { now: NOW });
        return "ok";
      } catch (error) {
        assert.ok(error instanceof WebhookVerificationError, `no crash: ${error.stack}`);
        return error.code;
      }
    }),
  );
  assert.equal(new Set(codes).size, 1, codes.join());
  return codes[0];
}

/** An application's answer to a request, and the codes that its log sees. */
async function answerOf(context, options, message, { before } = {}) {
  const app = express();
  const codes = [];
  if (before) app.use(before);
  app.post(
    "/hooks",
    hookwright({ secret: SECRET, onError: ({ code }) => codes.push(code), ...options }).otherwise(() => {}),
  );
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  const response = await fetch(`http://127.0.0.1:${server.address().port}/hooks`, { method: "POST", ...message });
  return { status: response.status, text: await response.text(), codes, headers: response.headers };
}

describe("traps in published sample code", () => {
  for (const scheme of SEEDS) {
    test(`1 a missing signature header is a refusal and no TypeError: ${scheme}`, async () => {
      assert.equal(await verdict(scheme, BODY, {}), "missing_header");
      assert.equal(await verdict(scheme, BODY, { [signatureName(scheme)]: "" }), "missing_header");
      assert.equal(await verdict(scheme, BODY, { [signatureName(scheme)]: undefined }), "missing_header");
    });

    test(`2 a signature of another length is a refusal and no RangeError: ${scheme}`, async () => {
      for (const text of ["your-test-signature", "test_signature", "ab", "0".repeat(63), "0".repeat(66)]) {
        assert.equal(await verdict(scheme, BODY, { [signatureName(scheme)]: text }), "malformed_signature", text);
      }
    });

    test(`3 sixty-four characters of several bytes are a refusal and no RangeError: ${scheme}`, async () => {
      assert.equal(await verdict(scheme, BODY, { [signatureName(scheme)]: "é".repeat(64) }), "malformed_signature");
      assert.equal(await verdict(scheme, BODY, { [signatureName(scheme)]: "🙂".repeat(32) }), "malformed_signature");
    });

    test(`4 a genuine signature with rubbish behind it is refused: ${scheme}`, async () => {
      for (const rubbish of ["zzzz", "00", " ", "\n", "g"]) {
        const headers = { [signatureName(scheme)]: signature(scheme) + rubbish };
        assert.equal(await verdict(scheme, BODY, headers), "malformed_signature", JSON.stringify(rubbish));
      }
    });

    test(`5 the bytes count and not what JSON.stringify makes of them: ${scheme}`, async () => {
      const headers = { [signatureName(scheme)]: signature(scheme) };
      assert.equal(await verdict(scheme, BODY, headers), "ok");
      const rewritten = Buffer.from(JSON.stringify(JSON.parse(BODY)));
      assert.equal(await verdict(scheme, rewritten, headers), "signature_mismatch");
    });

    test(`16 hex digits of either case are the same signature: ${scheme}`, async () => {
      assert.equal(await verdict(scheme, BODY, { [signatureName(scheme)]: signature(scheme).toUpperCase() }), "ok");
    });
  }

  test("5 a body that was parsed is refused with what to do, and never written again", () => {
    const webhook = new Webhook(SECRET, { scheme: "x-webhook-signature" });
    for (const parsed of [{ type: "user.created" }, [], 42, undefined, null]) {
      assert.throws(() => webhook.verify(parsed, {}), { code: "body_consumed", status: 500 });
    }
  });

  test("6 what is signed is what is sent: one serialisation", () => {
    const sender = new Webhook(SECRET, { profile: "filedgr" });
    const { body, headers } = sender.signEvent({ type: "vault.created", data: { 2: 1, 1: 2, e: "é" } });
    assert.ok(body instanceof Uint8Array);
    assert.equal(sender.verify(body, headers).type, "vault.created");
  });

  test("7 the middleware works without express.raw in front of it", async (context) => {
    const message = signedRequest({ secret: SECRET, profile: "filedgr" }, { type: "vault.created" });
    assert.equal((await answerOf(context, { profile: "filedgr" }, message)).status, 200);
  });

  test("8 a content type other than application/json leaves no empty body", async (context) => {
    const message = signedRequest({ secret: SECRET, profile: "filedgr" }, { type: "vault.created" });
    message.headers["Content-Type"] = "application/cloudevents+json";
    assert.equal((await answerOf(context, { profile: "filedgr" }, message)).status, 200);
  });

  test("9 verification comes before parsing, and validation after both", async (context) => {
    const validate = schemaValidator("filedgr");
    const genuine = signedRequest(
      { secret: SECRET, profile: "filedgr" },
      { type: "vault.created", data: { vaultId: 7 } },
    );
    const invalid = await answerOf(context, { profile: "filedgr", validate }, genuine);
    assert.deepEqual([invalid.status, invalid.codes], [400, ["invalid_schema"]]);
    const forged = { ...genuine, body: Buffer.from("{ not even JSON") };
    const refused = await answerOf(context, { profile: "filedgr", validate }, forged);
    assert.deepEqual([refused.status, refused.codes], [401, ["signature_mismatch"]]);
  });

  test("11 a header that is not ASCII is compared as bytes, and is no TypeError", async () => {
    const headers = { "x-digivault-signature": "\u00ff".repeat(64) };
    assert.equal(await verdict("digivault", BODY, headers), "malformed_signature");
  });

  test("12 a body that is not UTF-8 is verified as it is, not as its replacement", async () => {
    const body = Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x7d]);
    const headers = { "x-digivault-signature": signature("digivault", body) };
    assert.equal(await verdict("digivault", body, headers), "ok");
    assert.equal(await verdict("digivault", Buffer.from(body.toString()), headers), "signature_mismatch");
  });

  test("13 a form's body is there although its type is that of a form", async (context) => {
    const body = Buffer.from("payload=%7B%7D&x=1");
    const headers = {
      "content-type": "application/x-www-form-urlencoded",
      ...new Webhook(SECRET, { scheme: "aetherflow" }).sign(body),
    };
    assert.equal((await answerOf(context, { scheme: "aetherflow" }, { body, headers })).status, 200);
  });

  test("14 a secret that is not set stops the program when it starts, not at its first request", () => {
    for (const secret of [undefined, null, [undefined], {}]) {
      assert.throws(() => new Webhook(secret), { name: "WebhookConfigurationError", code: "empty_secret" });
    }
  });

  test("15 an empty key is refused: anyone could sign with it", () => {
    for (const [secret, options] of [
      ["", { scheme: "aetherflow" }],
      ["whsec_", {}],
      [[], {}],
      [["genuine secret", ""], { scheme: "github" }],
    ]) {
      assert.throws(() => new Webhook(secret, options), { name: "WebhookConfigurationError", code: "empty_secret" });
    }
  });

  test("16 the length of a body is limited before it is hashed", async (context) => {
    const body = Buffer.alloc((1 << 20) + 1, "x");
    const headers = new Webhook(SECRET, { scheme: "aetherflow" }).sign(body);
    const { status, codes } = await answerOf(context, { scheme: "aetherflow" }, { body, headers });
    assert.deepEqual([status, codes], [413, ["body_too_large"]]);
  });

  test("18 either spelling of DigiVault's header is read, and both must agree", async () => {
    const genuine = signature("digivault");
    assert.equal(await verdict("digivault", BODY, { "X-BitVault-Signature": genuine }), "ok");
    assert.equal(
      await verdict("digivault", BODY, { "X-BitVault-Signature": genuine, "X-DigiVault-Signature": genuine }),
      "ok",
    );
    const differing = { "X-BitVault-Signature": genuine, "X-DigiVault-Signature": "0".repeat(64) };
    assert.equal(await verdict("digivault", BODY, differing), "duplicate_header");
    assert.deepEqual(Object.keys(new Webhook(SECRET, { scheme: "digivault" }).sign(BODY)), ["X-DigiVault-Signature"]);
  });

  test("20 an event is not routed by what an unsigned header says", async (context) => {
    const message = signedRequest({ secret: SECRET, profile: "filedgr" }, { type: "vault.created" });
    message.headers["X-Filedgr-Event-Type"] = "vault.accessed";
    const { status, codes } = await answerOf(context, { profile: "filedgr" }, message);
    assert.deepEqual([status, codes], [401, ["header_mismatch"]]);
  });

  test("21 an old delivery of a platform without timestamps is refused by the signature beside it", () => {
    const sender = new Webhook(SECRET, { profile: "filedgr" });
    const { body, headers } = sender.signEvent({ type: "vault.created", data: {}, timestamp: NOW });
    assert.equal(sender.verify(body, headers, { now: NOW + 300 }).timestamp, NOW);
    assert.throws(() => sender.verify(body, headers, { now: NOW + 301 }), { code: "timestamp_too_old" });
  });

  test("22 two attempts at the same time are handled once, and a failed one can be repeated", async (context) => {
    const store = new MemoryDedupeStore();
    let handled = 0;
    const app = express();
    const handlers = [
      () => {
        throw new Error("the first attempt fails");
      },
    ];
    app.post(
      "/hooks",
      hookwright({ secret: SECRET, profile: "filedgr", dedupe: { store }, onError: () => {} }).otherwise(() => {
        handlers.shift()?.();
        handled++;
      }),
    );
    const server = createServer(app).listen(0, "127.0.0.1");
    await once(server, "listening");
    context.after(() => server.close());
    const url = `http://127.0.0.1:${server.address().port}/hooks`;
    const message = signedRequest({ secret: SECRET, profile: "filedgr" }, { type: "vault.created", id: "evt_1" });
    assert.equal((await fetch(url, message)).status, 500);
    const answers = await Promise.all([1, 2, 3, 4].map(() => fetch(url, message)));
    assert.equal(handled, 1);
    assert.ok(answers.every(({ status }) => status === 200 || status === 409));
    assert.deepEqual(await (await fetch(url, message)).json(), { received: true, duplicate: true });
  });

  test("21 a replay that leaves the fresh signature out is a duplicate all the same", async (context) => {
    const app = express();
    let handled = 0;
    const dedupe = { store: new MemoryDedupeStore() };
    app.post(
      "/hooks",
      hookwright({ secret: SECRET, profile: "filedgr", dedupe }).otherwise(() => void handled++),
    );
    const server = createServer(app).listen(0, "127.0.0.1");
    await once(server, "listening");
    context.after(() => server.close());
    const url = `http://127.0.0.1:${server.address().port}/hooks`;
    const message = signedRequest({ secret: SECRET, profile: "filedgr" }, { type: "vault.created", id: "evt_1" });
    await fetch(url, message);
    const stripped = Object.entries(message.headers).filter(([name]) => !name.startsWith("webhook-"));
    const replayed = await fetch(url, { ...message, headers: stripped });
    assert.deepEqual(await replayed.json(), { received: true, duplicate: true });
    assert.equal(handled, 1);
  });

  test("23 what is forgotten first is the oldest, and not the event that was just added", async () => {
    const store = new MemoryDedupeStore({ maxKeys: 2 });
    for (const key of ["a", "b", "c"]) {
      const { token } = await store.claim(key, 60);
      await store.complete(key, token, 60);
    }
    assert.deepEqual(await Promise.all(["c", "b", "a"].map(async (key) => (await store.claim(key, 60)).state)), [
      "done",
      "done",
      "new",
    ]);
  });

  test("24 a handler cannot be reached by a request that nobody signed", async (context) => {
    const { status } = await answerOf(context, { profile: "filedgr" }, { body: '{"eventType":"vault.created"}' });
    assert.equal(status, 401);
  });

  test("25 the sender hears 200 when the event is stored, and 500 when it is not", async (context) => {
    const message = signedRequest({ secret: SECRET, profile: "filedgr" }, { type: "vault.created" });
    const store = new MemoryQueueStore();
    store.put = async () => {
      throw new Error("the disk is full");
    };
    const queue = new WebhookQueue({ store, work: () => {} });
    const app = express();
    app.post("/hooks", hookwright({ secret: SECRET, profile: "filedgr", onError: () => {} }).otherwise(queue.enqueue));
    const server = createServer(app).listen(0, "127.0.0.1");
    await once(server, "listening");
    context.after(() => server.close());
    assert.equal((await fetch(`http://127.0.0.1:${server.address().port}/hooks`, message)).status, 500);
  });

  test("26 an event that failed is tried again without another event having to come", async () => {
    let now = 0;
    const attempts = [];
    const queue = new WebhookQueue({
      store: new MemoryQueueStore(),
      clock: () => now,
      delaysSeconds: [5],
      work: ({ attempt }) => {
        attempts.push(attempt);
        if (attempt === 1) throw new Error("not yet");
      },
    });
    await queue.enqueue({ id: "evt_1", type: "vault.created", body: Buffer.from("{}") });
    await queue.drain();
    now = 5000;
    await queue.drain();
    assert.deepEqual(attempts, [1, 2]);
  });

  test("34 data that is not what the documentation shows is refused before a handler trips over it", () => {
    const sender = new Webhook(SECRET, { profile: "aetherflow" });
    const validate = schemaValidator("aetherflow");
    const { body, headers } = sender.signEvent({ type: "workflow.completed", data: { workflow: "wf_abc123" } });
    assert.deepEqual(validate(sender.verify(body, headers)), [{ path: "/workflow", message: "must be object" }]);
  });

  test("35 printing an event or an error shows no body, no signature and no secret", () => {
    const sender = new Webhook(SECRET, { profile: "filedgr" });
    const { body, headers } = sender.signEvent({ type: "vault.created", data: { password: "hunter2" } });
    const event = sender.verify(body, headers);
    const inspected = createRequire(import.meta.url)("node:util").inspect(event, { depth: 9 });
    const texts = [
      JSON.stringify(event),
      inspected,
      createRequire(import.meta.url)("node:util").inspect(sender, { depth: 9 }),
    ];
    try {
      sender.verify(Buffer.concat([body, Buffer.from(" ")]), headers);
    } catch (error) {
      texts.push(createRequire(import.meta.url)("node:util").inspect(error, { depth: 9 }));
    }
    for (const text of texts) {
      assert.doesNotMatch(text, /hunter2|AAECAwQF/);
      assert.ok(!text.includes(headers["X-Filedgr-Signature"]));
    }
  });

  test("36 endpoints have secrets of their own, and one platform's does not open another's", () => {
    const headers = new Webhook("the secret of platform one", { scheme: "filedgr" }).sign(BODY);
    const other = new Webhook("the secret of platform two", { scheme: "filedgr" });
    assert.throws(() => other.verify(BODY, headers), { code: "signature_mismatch" });
  });

  test("38 ContractAI is verified by headers: a signature inside the body is not looked at", () => {
    const sender = new Webhook(SECRET, { profile: "contractai" });
    const body = Buffer.from(
      '{"event":"agent.created","id":"evt_1","timestamp":"2024-01-15T10:30:00Z","data":{"agent":{"id":"a"}},"signature":"anything"}',
    );
    assert.equal(sender.verify(body, sender.sign(body)).type, "agent.created");
    assert.throws(() => sender.verify(body, {}), { code: "missing_header" });
  });

  test("39 bytes in, bytes out: text in any language and encoding survives", async () => {
    const body = Buffer.from("API settings → Webhooks 🙂 â†’");
    const headers = { "x-webhook-signature": signature("x-webhook-signature", body) };
    assert.equal(await verdict("x-webhook-signature", body, headers), "ok");
    assert.equal(await verdict("x-webhook-signature", body.toString(), headers), "ok");
    assert.deepEqual(
      new Webhook(SECRET, { scheme: "x-webhook-signature" }).verify(body, headers).text(),
      body.toString(),
    );
  });

  test("40 the peer hears that it was refused and not why, and nobody caches it", async (context) => {
    const { body, headers } = signedRequest(
      { secret: "another secret of some length", profile: "generic" },
      { type: "user.created" },
    );
    const wrongSecret = await answerOf(context, { profile: "generic" }, { body, headers });
    const tooOld = signedRequest({ secret: SECRET, profile: "generic" }, { type: "user.created", timestamp: NOW });
    const replayed = await answerOf(context, { profile: "generic" }, tooOld);
    assert.equal(wrongSecret.text, replayed.text);
    assert.notDeepEqual(wrongSecret.codes, replayed.codes);
    assert.equal(wrongSecret.headers.get("cache-control"), "no-store");
  });
});
