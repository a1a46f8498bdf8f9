// The class `Webhook` as its users meet it, on the native engine, on the fallback and at the edge.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import * as hookwright from "hookwright";
import * as edge from "hookwright/edge";
import { eventTypes, sampleData } from "hookwright/testing";

const { Webhook, WebhookConfigurationError, WebhookVerificationError } = hookwright;
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";
const OTHER = "whsec_FBUWFxgZGhscHR4fICEiIyQlJic=";
const BODY = Buffer.from('{"type":"user.created","data":{"id":"user_1"}}');
const NOW = 1_705_314_600;

function signed(webhook = new Webhook(SECRET)) {
  return webhook.sign(BODY, { id: "msg_1", timestamp: NOW });
}

describe("headers in every shape that they come in", () => {
  const headers = signed();
  const webhook = new Webhook(SECRET);
  const at = { now: NOW };
  const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));
  for (const [what, shape] of Object.entries({
    "Node's req.headers": headers,
    "a Headers object": new Headers(headers),
    "names in capitals": upper,
    "arrays of one": Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    pairs: Object.entries(headers),
    "a Map": new Map(Object.entries(headers)),
    "an iterator that can be read once": new Headers(headers).entries(),
    "an object without a prototype": Object.assign(Object.create(null), headers),
    "an object with much else in it": {
      connection: "close",
      "user-agent": "x",
      accept: undefined,
      ...headers,
      "x-other": ["1", "2"],
    },
  })) {
    test(what, () => {
      const event = webhook.verify(BODY, shape, at);
      assert.equal(event.id, "msg_1");
      assert.equal(event.timestamp, NOW);
    });
  }

  for (const [what, shape] of Object.entries({
    "an array of two": { ...headers, "webhook-id": ["msg_1", "msg_1"] },
    "another spelling beside it": { ...headers, "Webhook-Id": "msg_1" },
    "pairs that repeat": [...Object.entries(headers), ["WEBHOOK-ID", "msg_1"]],
  })) {
    test(`a header that came twice is refused: ${what}`, () => {
      assert.throws(() => webhook.verify(BODY, shape, at), { code: "duplicate_header", header: "webhook-id" });
    });
  }

  test("a line break in a value does not move the others", () => {
    const shifted = { ...headers, "webhook-id": "msg_1\nx" };
    assert.throws(() => webhook.verify(BODY, shifted, at), { code: "invalid_id" });
  });

  test("a header that is longer than the fast way has room for is read all the same", () => {
    const padded = { ...headers, "webhook-signature": `${"v9,AAAA ".repeat(20)}${headers["webhook-signature"]}` };
    assert.equal(webhook.verify(BODY, padded, at).id, "msg_1");
    const long = {
      ...headers,
      "webhook-signature": `${"v9,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ".repeat(30)}${headers["webhook-signature"]}`,
    };
    assert.equal(webhook.verify(BODY, long, at).id, "msg_1");
    const absurd = { ...headers, "webhook-signature": "x".repeat(100_000) };
    assert.throws(() => webhook.verify(BODY, absurd, at), { code: "malformed_header" });
  });

  test("headers that are none are a mistake of the program, and not of the sender", () => {
    for (const nothing of [undefined, null, "webhook-id: 1"]) {
      assert.throws(() => webhook.verify(BODY, nothing, at), TypeError);
    }
  });
});

describe("bodies in every shape", () => {
  const headers = signed();
  const bytes = new Uint8Array(BODY);
  for (const [what, body] of Object.entries({
    "a Buffer": BODY,
    "a Uint8Array": bytes,
    "a part of a larger buffer": Buffer.concat([Buffer.from("..."), BODY, Buffer.from("...")]).subarray(
      3,
      3 + BODY.length,
    ),
    "an ArrayBuffer": bytes.buffer,
    "a DataView": new DataView(bytes.buffer),
    text: BODY.toString(),
  })) {
    test(what, async () => {
      assert.equal(new Webhook(SECRET).verify(body, headers, { now: NOW }).id, "msg_1");
      assert.equal((await new edge.Webhook(SECRET).verifyAsync(body, headers, { now: NOW })).id, "msg_1");
    });
  }

  test("an empty body", () => {
    const webhook = new Webhook(SECRET);
    const event = webhook.verify(new Uint8Array(0), webhook.sign("", { id: "msg_1" }));
    assert.equal(event.text(), "");
    assert.throws(() => event.json(), SyntaxError);
  });
});

describe("rotation", () => {
  test("either secret opens, and the event says which it was", () => {
    const webhook = new Webhook([OTHER, SECRET]);
    assert.equal(webhook.verify(BODY, signed(), { now: NOW }).secretIndex, 1);
    assert.equal(webhook.verify(BODY, signed(new Webhook(OTHER)), { now: NOW }).secretIndex, 0);
  });

  test("a sender with two secrets is understood by receivers with either", () => {
    const headers = new Webhook([OTHER, SECRET]).sign(BODY, { id: "msg_1", timestamp: NOW });
    for (const secret of [SECRET, OTHER])
      assert.equal(new Webhook(secret).verify(BODY, headers, { now: NOW }).id, "msg_1");
  });

  test("a public key verifies and cannot sign", async () => {
    const pair = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
    const half = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    const headers = new Webhook(pair).sign(BODY, { id: "msg_1", timestamp: NOW });
    assert.match(headers["webhook-signature"], /^v1a,/);
    assert.equal(new Webhook(half).verify(BODY, headers, { now: NOW }).id, "msg_1");
    assert.equal((await new edge.Webhook(half).verifyAsync(BODY, headers, { now: NOW })).id, "msg_1");
    assert.deepEqual(await new edge.Webhook(pair).signAsync(BODY, { id: "msg_1", timestamp: NOW }), headers);
    assert.throws(() => new Webhook(half).sign(BODY), { name: "WebhookConfigurationError", code: "invalid_secret" });
    await assert.rejects(new edge.Webhook(half).signAsync(BODY), {
      name: "WebhookConfigurationError",
      code: "invalid_secret",
    });
  });
});

describe("time", () => {
  const webhook = new Webhook(SECRET);

  test("now may be a Date or Unix seconds", () => {
    assert.equal(webhook.verify(BODY, signed(), { now: new Date(NOW * 1000) }).timestamp, NOW);
    assert.throws(() => webhook.verify(BODY, signed(), { now: Number.NaN }), TypeError);
  });

  test("the tolerance is what it says, in both directions; zero is zero, and null is none", () => {
    const strict = new Webhook(SECRET, { tolerance: 0 });
    assert.equal(strict.verify(BODY, signed(), { now: NOW + 0.9 }).id, "msg_1");
    assert.throws(() => strict.verify(BODY, signed(), { now: NOW + 1 }), { code: "timestamp_too_old" });
    assert.throws(() => webhook.verify(BODY, signed(), { now: NOW - 301 }), { code: "timestamp_too_new" });
    assert.equal(new Webhook(SECRET, { tolerance: null }).verify(BODY, signed()).id, "msg_1");
    for (const tolerance of [-1, 1.5, "300", Number.NaN, 2 ** 33]) {
      assert.throws(() => new Webhook(SECRET, { tolerance }), { code: "invalid_option" });
    }
  });

  test("a time of sixteen digits is given exactly", () => {
    const far = 9_999_999_999_999_999n;
    const lenient = new Webhook(SECRET, { tolerance: null });
    const headers = lenient.sign(BODY, { id: "msg_1", timestamp: 8_999_999_999_999_999 });
    assert.equal(lenient.verify(BODY, headers).timestamp, 8_999_999_999_999_999);
    assert.ok(far > 0n);
  });
});

describe("schemes and profiles of one's own", () => {
  const scheme = {
    name: "acme",
    content: "{ts}.{body}",
    key: "utf8",
    signature: {
      headers: ["Acme-Signature"],
      encoding: "hex",
      item_separator: ",",
      tag_separator: "=",
      timestamp_tag: "t",
      tags: [{ tag: "v1", algorithm: "hmac-sha256" }],
    },
    timestamp: { tolerance_seconds: 60 },
  };
  const secret = "a secret of some length";

  test("a scheme is an object with the keys of scheme files", async () => {
    const webhook = new Webhook(secret, { scheme });
    const headers = webhook.sign(BODY, { timestamp: NOW });
    assert.match(headers["Acme-Signature"], /^t=1705314600,v1=[0-9a-f]{64}$/);
    assert.equal(webhook.verify(BODY, headers, { now: NOW }).scheme, "acme");
    assert.equal((await new edge.Webhook(secret, { scheme }).verifyAsync(BODY, headers, { now: NOW })).scheme, "acme");
  });

  test("a profile is one with an envelope and a scheme", async () => {
    const profile = {
      name: "acme",
      scheme,
      event_id_prefix: "evt",
      timeout: "10s",
      schedule: { delays: ["30s"] },
      envelope: [
        { name: "kind", value: "type" },
        { name: "id", value: "id" },
        { name: "payload", value: "data" },
      ],
      headers: { "Acme-Event": "{type}" },
    };
    const message = new Webhook(secret, { profile }).signEvent({
      type: "order.paid",
      data: { total: 1 },
      id: "evt_1",
      timestamp: NOW,
    });
    assert.equal(message.headers["Acme-Event"], "order.paid");
    for (const event of [
      new Webhook(secret, { profile }).verify(message.body, message.headers, { now: NOW }),
      await new edge.Webhook(secret, { profile }).verifyAsync(message.body, message.headers, { now: NOW }),
    ]) {
      assert.deepEqual([event.type, event.id, event.data], ["order.paid", "evt_1", { total: 1 }]);
    }
    const relabelled = { ...message.headers, "Acme-Event": "order.lost" };
    assert.throws(() => new Webhook(secret, { profile }).verify(message.body, relabelled, { now: NOW }), {
      code: "header_mismatch",
    });
  });

  test("both engines refuse the same descriptions", () => {
    const change = (changes) => ({ ...scheme, ...changes });
    for (const bad of [
      change({ content: "{ts}{body}" }),
      change({ content: "{body}" }),
      change({ content: "{ts}.{boddy}" }),
      change({ algorithm: "hmac-sha256" }),
      change({ signature: { ...scheme.signature, headers: [] } }),
      change({ signature: { ...scheme.signature, headers: ["Acme Signature"] } }),
      change({ signature: { ...scheme.signature, item_separator: undefined } }),
      change({ signature: { ...scheme.signature, item_separator: "ab" } }),
      change({ signature: { ...scheme.signature, tags: [] } }),
      change({ signature: { ...scheme.signature, tags: [{ tag: "t", algorithm: "hmac-sha256" }] } }),
      change({ timestamp: undefined }),
      change({ id: { headers: ["Acme-Id"] } }),
      change({ key: "utf8", signature: { ...scheme.signature, tags: [{ tag: "v1", algorithm: "ed25519" }] } }),
      change({ body_digest_query: "sha256" }),
      change({ port_may_differ: true }),
      change({ timestamp: { tolerance: 60 } }),
      change({ contents: "{body}" }),
    ]) {
      for (const engine of [hookwright, edge]) {
        assert.throws(
          () => new engine.Webhook(secret, { scheme: bad }),
          { code: "invalid_scheme" },
          JSON.stringify(bad),
        );
      }
    }
  });

  test("a name that is none is an error that says which there are, or which was meant", () => {
    for (const engine of [hookwright, edge]) {
      assert.throws(() => new engine.Webhook(secret, { scheme: "strpe" }), {
        code: "unknown_scheme",
        message: /strpe.*stripe/s,
      });
      assert.throws(() => new engine.Webhook(secret, { profile: "filedger" }), {
        code: "unknown_profile",
        message: /filedgr/,
      });
      assert.throws(() => new engine.Webhook(secret, { profile: "constructor" }), { code: "unknown_profile" });
    }
    assert.throws(() => new Webhook(secret, { scheme: "stripe", profile: "filedgr" }), { code: "invalid_option" });
  });

  test("a scheme that signs the URL asks for it", async () => {
    const twilio = new Webhook(secret, { scheme: "twilio" });
    assert.throws(() => twilio.verify(BODY, {}), { code: "invalid_option", message: /pass \{ url \}/ });
    assert.throws(() => twilio.sign(BODY), { code: "invalid_option" });
    await assert.rejects(new edge.Webhook(secret, { scheme: "twilio" }).verifyAsync(BODY, {}), {
      code: "invalid_option",
    });
  });
});

describe("profiles", () => {
  for (const profile of ["filedgr", "digivault", "aetherflow", "contractai", "generic"]) {
    test(`every documented event of ${profile} goes there and back, on every engine`, async () => {
      const sender = new Webhook(SECRET, { profile });
      const receiver = new edge.Webhook(SECRET, { profile });
      const types = eventTypes(profile);
      assert.ok(types.length > 0);
      for (const type of types) {
        const data = sampleData(profile, type);
        const { body, headers } = sender.signEvent({ type, data, id: "evt_1" });
        for (const event of [sender.verify(body, headers), await receiver.verifyAsync(body, headers)]) {
          assert.deepEqual([event.type, event.data], [type, data]);
          assert.equal(event.id, "evt_1");
        }
      }
    });
  }

  test("signing an event is the same on every engine", async () => {
    for (const profile of ["filedgr", "digivault", "aetherflow", "contractai", "generic", "standard-webhooks"]) {
      const event = {
        type: 'a."b"',
        data: { e: "é" },
        id: "evt_1",
        timestamp: NOW,
        occurredAt: new Date(1_705_314_600_999),
      };
      const native = new Webhook(SECRET, { profile }).signEvent(event);
      const web = await new edge.Webhook(SECRET, { profile }).signEventAsync(event);
      assert.equal(Buffer.from(web.body).toString(), Buffer.from(native.body).toString());
      assert.deepEqual(web.headers, native.headers);
    }
  });

  test("ContractAI's metadata and context travel beside the data", async () => {
    const sender = new Webhook(SECRET, { profile: "contractai" });
    const { body, headers } = sender.signEvent({
      type: "agent.created",
      data: { agent: { id: "a" } },
      extras: { metadata: { m: 1 } },
    });
    assert.deepEqual(sender.verify(body, headers).json().metadata, { m: 1 });
    const web = await new edge.Webhook(SECRET, { profile: "contractai" }).signEventAsync({
      type: "agent.created",
      data: {},
      extras: { metadata: 1, unknown: 2 },
    });
    assert.deepEqual(Object.keys(JSON.parse(Buffer.from(web.body))), ["event", "id", "timestamp", "data", "metadata"]);
  });

  test("an event cannot be signed without a profile", () => {
    assert.throws(() => new Webhook(SECRET).signEvent({ type: "x", data: {} }), { code: "invalid_option" });
  });
});

describe("errors", () => {
  test("an error of one copy of the package is one of the other", async () => {
    const { createRequire } = await import("node:module");
    const commonjs = createRequire(import.meta.url)("hookwright");
    assert.notEqual(commonjs.WebhookVerificationError, WebhookVerificationError);
    try {
      new commonjs.Webhook(SECRET).verify(BODY, {});
      assert.fail();
    } catch (error) {
      assert.ok(error instanceof WebhookVerificationError);
      assert.ok(error instanceof Error);
      assert.ok(!(error instanceof WebhookConfigurationError));
      assert.equal(error.name, "WebhookVerificationError");
      assert.equal(error.status, 401);
    }
    assert.ok(!(new TypeError("x") instanceof WebhookVerificationError));
  });

  test("verifyAsync rejects where verify throws", async () => {
    await assert.rejects(new Webhook(SECRET).verifyAsync(BODY, {}), { code: "missing_header" });
  });

  test("at the edge, verify() fails at once: a promise that nobody awaits would let forgeries in", () => {
    assert.throws(() => new edge.Webhook(SECRET).verify(BODY, {}), { message: /await verifyAsync/ });
  });
});

describe("explanations", () => {
  test("a body that was parsed and written again is recognised", () => {
    const webhook = new Webhook("a secret of some length", { scheme: "github" });
    const body = Buffer.from('{"action": "opened"}');
    const explanation = webhook.explain(JSON.stringify(JSON.parse(body)), { ...webhook.sign(body) });
    assert.equal(explanation.failure.code, "signature_mismatch");
    assert.ok(explanation.findings.length > 0, JSON.stringify(explanation));
    assert.match(explanation.findings[0].causes[0], /^body_/);
    assert.equal(explanation.facts.bodyBytes, 19);
  });

  test("a genuine request needs no explanation", () => {
    const webhook = new Webhook("a secret of some length", { profile: "generic" });
    const { body, headers } = webhook.signEvent({ type: "user.created", data: {} });
    assert.equal(webhook.explain(body, headers).failure, undefined);
  });
});

describe("engines", () => {
  test("native code does the work here", () => {
    assert.equal(hookwright.engine, "native");
    assert.equal(edge.engine, "webcrypto");
  });

  const run = (code, env = {}) =>
    execFileSync(process.execPath, ["--input-type=module", "-e", code], {
      cwd: root,
      env: { ...process.env, ...env },
      encoding: "utf8",
    });

  test("HOOKWRIGHT_ENGINE=node:crypto does without it, silently", () => {
    const code = `import { Webhook, engine } from "hookwright";
      const webhook = new Webhook("${SECRET}", { profile: "filedgr" });
      const { body, headers } = webhook.signEvent({ type: "vault.created", data: { a: 1 } });
      process.on("warning", ({ message }) => console.log(message));
      console.log(engine, webhook.verify(body, headers).type, typeof webhook.explain);`;
    assert.equal(run(code, { HOOKWRIGHT_ENGINE: "node:crypto" }), "node:crypto vault.created function\n");
  });

  test("where no binary fits, it is said once, and everything works", () => {
    const code = `import { Webhook, engine } from "hookwright";
      const warnings = [];
      process.on("warning", ({ code }) => warnings.push(code));
      for (let n = 0; n < 3; n++) new Webhook("${SECRET}");
      setImmediate(() => console.log(engine, warnings.join()));`;
    assert.equal(run(code, { NAPI_RS_NATIVE_LIBRARY_PATH: "/nonexistent.node" }), "node:crypto HOOKWRIGHT_NO_BINARY\n");
  });

  test("worker threads have endpoints of their own", async () => {
    const code = `import { Worker, isMainThread } from "node:worker_threads";
      import { Webhook } from "hookwright";
      const webhook = new Webhook("${SECRET}");
      const headers = webhook.sign("{}", { id: "msg_1" });
      if (webhook.verify("{}", headers).id !== "msg_1") throw new Error("wrong");
      for (let n = 0; n < 100; n++) new Webhook("${OTHER}");
      console.log("verified");`;
    const both = `import { Worker } from "node:worker_threads";
      const code = ${JSON.stringify(code)};
      for (let n = 0; n < 2; n++) new Worker(new URL("data:text/javascript," + encodeURIComponent(code.replaceAll('"hookwright"', JSON.stringify(import.meta.resolve("hookwright"))))));`;
    assert.equal(run(both), "verified\nverified\n");
  });

  test("endpoints that nobody holds any more are given back", () => {
    const code = `import { Webhook } from "hookwright";
      import { native } from "./dist/esm/native/binding.js";
      const handles = new Set();
      for (let round = 0; round < 20; round++) {
        for (let n = 0; n < 500; n++) handles.add(native.bindScheme("github", ["a secret of some length"], -2).handle());
        globalThis.gc();
        await new Promise(setImmediate);
      }
      console.log(handles.size < 5000);`;
    const out = execFileSync(process.execPath, ["--expose-gc", "--input-type=module", "-e", code], {
      cwd: root,
      encoding: "utf8",
    });
    assert.equal(out, "true\n");
  });
});
