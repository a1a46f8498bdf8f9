// The real service delivers to real Express applications. If this fails, the sender and the receiver that we ship do
// not understand each other.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

import { MemoryDedupeStore } from "hookwright/dedupe";
import { hookwright } from "hookwright/express";
import { eventTypes, sampleData } from "hookwright/testing";
import { schemaValidator } from "hookwright/validation";

import { eventually, noService, startService } from "./service.mjs";

const require = createRequire(import.meta.url);
const SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";
const PROFILES = ["filedgr", "digivault", "aetherflow", "contractai", "generic"];

/** An application that records what it receives, and every request as it came. */
async function startReceiver(context, express, build) {
  const app = express();
  const requests = [];
  app.use((req, _res, next) => {
    requests.push({ path: req.path, headers: req.rawHeaders });
    next();
  });
  build(app);
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, requests };
}

for (const [version, express] of [
  ["Express 4", require("express4")],
  ["Express 5", require("express")],
]) {
  describe(version, { skip: noService }, () => {
    test("every event type of the five profiles arrives, verified, valid and once", async (context) => {
      const call = await startService(context);
      const received = new Map(PROFILES.map((profile) => [profile, new Map()]));
      const errors = [];
      const { url } = await startReceiver(context, express, (app) => {
        for (const profile of PROFILES) {
          app.post(
            `/${profile}`,
            hookwright({
              secret: SECRET,
              profile,
              validate: schemaValidator(profile, { refuseUnknownTypes: true }),
              dedupe: { store: new MemoryDedupeStore() },
              onError: (error) => errors.push(`${profile}: ${error.code} ${error.message}`),
            }).otherwise((event) => received.get(profile).set(event.type, event)),
          );
        }
      });
      const published = new Map();
      for (const profile of PROFILES) {
        const event_types = eventTypes(profile);
        await call("Register", { webhook: { url: `${url}/${profile}`, profile, event_types }, secret: SECRET });
      }
      for (const profile of PROFILES) {
        for (const type of eventTypes(profile)) {
          const payload = Buffer.from(JSON.stringify(sampleData(profile, type)));
          const { event_id, delivery_count } = await call("Publish", { event_type: type, payload });
          assert.equal(delivery_count, 1, `${type} is of ${profile} alone`);
          published.set(type, event_id);
        }
      }
      const wanted = PROFILES.flatMap(eventTypes).length;
      const count = () => [...received.values()].reduce((sum, events) => sum + events.size, 0);
      await eventually(() => count() === wanted || errors.length > 0, `${wanted} events`);
      assert.deepEqual(errors, []);
      for (const [profile, events] of received) {
        for (const type of eventTypes(profile)) {
          const event = events.get(type);
          assert.deepEqual(event.data, sampleData(profile, type), type);
          assert.ok(
            event.id.endsWith(published.get(type).replace(/^[a-z]+_/, "")),
            `${event.id} is ${published.get(type)}`,
          );
          assert.ok(Math.abs(event.timestamp - Date.now() / 1000) < 60, "the time of the attempt is signed");
        }
      }
    });

    test("what the service encrypts is verified and read", async (context) => {
      const call = await startService(context);
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      let arrived;
      const { url, requests } = await startReceiver(context, express, (app) => {
        const decryptionKeys = [privateKey.export({ format: "jwk" })];
        app.post(
          "/hooks",
          hookwright({ secret: SECRET, profile: "contractai", decryptionKeys }).otherwise((event) => (arrived = event)),
        );
      });
      const encryption = { public_key: JSON.stringify(publicKey.export({ format: "jwk" })) };
      await call("Register", { webhook: { url: `${url}/hooks`, profile: "contractai", encryption }, secret: SECRET });
      await call("Publish", { event_type: "agent.created", payload: Buffer.from('{"agent":{"id":"agent_1"}}') });
      const event = await eventually(() => arrived, "the delivery");
      assert.deepEqual(event.data, { agent: { id: "agent_1" } });
      assert.ok(requests[0].headers.includes("application/jose"));
    });

    test("a receiver that fails hears from the service again, and handles the event once", async (context) => {
      const call = await startService(context);
      const handled = [];
      const store = new MemoryDedupeStore();
      let failures = 1;
      const { url, requests } = await startReceiver(context, express, (app) => {
        const receiver = hookwright({ secret: SECRET, profile: "filedgr", dedupe: { store }, onError: () => {} });
        app.post(
          "/hooks",
          receiver.on("vault.*", (event) => {
            if (failures-- > 0) throw new Error("the database is away");
            handled.push(event.id);
          }),
        );
      });
      // Retried at once, and not after the two seconds of the platform.
      const retry_policy = { list: { delays: [{ nanos: 10_000_000 }] } };
      const webhook = { url: `${url}/hooks`, profile: "filedgr", event_types: ["vault.created"], retry_policy };
      await call("Register", { webhook, secret: SECRET });
      await call("Publish", { event_type: "vault.created", payload: Buffer.from("{}") });
      await eventually(() => handled.length === 1, "the second attempt");
      assert.equal(requests.length, 2);
    });

    test("what the service sent is refused when it comes changed, doubled or late", async (context) => {
      const call = await startService(context);
      const codes = [];
      let captured;
      let now;
      const { url } = await startReceiver(context, express, (app) => {
        app.post("/capture", async (req, res) => {
          const chunks = [];
          for await (const chunk of req) chunks.push(chunk);
          captured = { body: Buffer.concat(chunks), headers: req.headers };
          res.sendStatus(204);
        });
        const options = { secret: SECRET, profile: "filedgr", limit: "4kb", now: () => now ?? new Date() };
        app.post(
          "/hooks",
          hookwright({ ...options, onError: ({ code }) => codes.push(code) }).otherwise(() => {}),
        );
      });
      await call("Register", { webhook: { url: `${url}/capture`, profile: "filedgr" }, secret: SECRET });
      await call("Publish", { event_type: "vault.created", payload: Buffer.from('{"vaultId":"vault_1"}') });
      const { body, headers } = await eventually(() => captured, "the delivery");
      const { host, connection, "content-length": _, "transfer-encoding": __, ...sent } = headers;

      const post = async (change = {}, other = body) =>
        (await fetch(`${url}/hooks`, { method: "POST", body: other, headers: { ...sent, ...change } })).status;
      assert.equal(await post(), 200, "as it was sent it is genuine");
      assert.equal(await post({}, body.toString().replace("vault_1", "vault_2")), 401);
      assert.equal(await post({ "x-filedgr-signature": "test_signature" }), 401);
      assert.equal(await post({ "x-filedgr-event-id": "evt_other" }), 401);
      assert.equal(await post({ "webhook-id": "msg_other" }), 401);
      assert.equal(await post({}, Buffer.concat([body, Buffer.alloc(5000, " ")])), 413);
      now = new Date(Date.now() + 3600_000);
      assert.equal(await post(), 401);
      assert.deepEqual(codes, [
        "signature_mismatch",
        "malformed_signature",
        "header_mismatch",
        "signature_mismatch",
        "body_too_large",
        "timestamp_too_old",
      ]);
    });
  });
}
