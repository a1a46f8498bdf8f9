// What a Node client gets from the proto files alone, against the real service and a real receiver.
// The first line of each test says what would break for a user if it failed.

import assert from "node:assert/strict";
import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { describe, test } from "node:test";

import grpc from "@grpc/grpc-js";

import {
  DEADLINE_MS,
  errorDetails,
  eventually,
  header,
  packages,
  startReceiver,
  startService,
  unary,
  within,
} from "./harness.mjs";

// Spaces, an escape, a trailing zero and a number beyond 2^53: what parsing and writing again would change.
const PAYLOAD = Buffer.from(
  '{ "vaultId":"vault_1",  "note":"\\u00e9", "price":1.0, "big":9007199254740993 }',
);

async function register(service, receiver, { secret = "", ...webhook } = {}) {
  return service.call("Register", { webhook: { url: receiver.url, ...webhook }, secret });
}

async function publish(service, event_type, { payload = PAYLOAD, key = "" } = {}) {
  return service.call("Publish", { event_type, payload: Buffer.from(payload), idempotency_key: key });
}

/** The deliveries of a webhook, once there are `count` and all of them are delivered. */
function settled(service, webhook_id, count = 1) {
  return eventually(async () => {
    const { deliveries } = await service.call("ListDeliveries", { webhook_id });
    const delivered = deliveries.filter(({ state }) => state === "DELIVERY_STATE_DELIVERED");
    return deliveries.length === count && delivered.length === count && deliveries;
  }, `${count} deliveries of ${webhook_id} DELIVERED`);
}

function hexOfBody(secret, request) {
  return createHmac("sha256", secret).update(request.body).digest("hex");
}

function standardWebhooks(secret, request) {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const mac = createHmac("sha256", key)
    .update(`${header(request, "webhook-id")}.${header(request, "webhook-timestamp")}.`)
    .update(request.body);
  return `v1,${mac.digest("base64")}`;
}

function assertSigned(request, name, expected) {
  const [got, wanted] = [Buffer.from(header(request, name)), Buffer.from(expected)];
  assert.ok(got.length === wanted.length && timingSafeEqual(got, wanted), `${name} is ${got}, not ${wanted}`);
}

/** What a call is refused with. */
async function refusal(call) {
  try {
    await call;
  } catch (error) {
    assert.ok("code" in error && "metadata" in error, `not a gRPC error: ${error.stack}`);
    return error;
  }
  assert.fail("the call was not refused");
}

// Written down from the platforms' guides: the signature header, how it comes about, and where the envelope keeps
// type, id and data.
const PLATFORMS = {
  filedgr: ["X-Filedgr-Signature", hexOfBody, "eventType", "eventId", ["data"]],
  digivault: ["X-DigiVault-Signature", hexOfBody, "type", "id", ["data", "object"]],
  aetherflow: ["X-AetherFlow-Signature", hexOfBody, "event", "id", ["data"]],
  contractai: ["webhook-signature", standardWebhooks, "event", "id", ["data"]],
  generic: ["X-Webhook-Signature", hexOfBody, "type", "id", ["data"]],
  "standard-webhooks": ["webhook-signature", standardWebhooks, "type", undefined, ["data"]],
};

describe("an event arrives signed as its platform signs, and Verify agrees", () => {
  for (const [profile, [signature, sign, typeKey, idKey, dataPath]] of Object.entries(PLATFORMS)) {
    test(profile, async (t) => {
      // Receivers that check signatures by their platform's guide would refuse every delivery, or trust forgeries.
      const [service, receiver] = [await startService(t), await startReceiver(t)];
      const { webhook, secret } = await register(service, receiver, { profile, event_types: ["vault.*"] });
      assert.match(webhook.id, /^whk_/);
      assert.equal(webhook.profile, profile);
      assert.equal(webhook.state, "WEBHOOK_STATE_ACTIVE");
      assert.match(secret, /^whsec_/);

      const published = await publish(service, "vault.created");
      assert.match(published.event_id, /^evt_/);
      assert.equal(published.delivery_count, 1);
      assert.equal(published.duplicate, false);

      const request = await receiver.next();
      assert.equal(`${request.method} ${request.path}`, "POST /hooks");
      assert.match(header(request, "content-type"), /^application\/json/);
      assert.ok(request.body.includes(PAYLOAD), "the payload was parsed and written again");
      const envelope = JSON.parse(request.body);
      assert.equal(envelope[typeKey], "vault.created");
      assert.deepEqual(dataPath.reduce((inside, key) => inside[key], envelope), JSON.parse(PAYLOAD));
      const bareId = (id) => id.slice(id.indexOf("_") + 1);
      // The platform's own prefix, and the rest of the id that the publisher was told.
      if (idKey) assert.equal(bareId(envelope[idKey]), bareId(published.event_id));

      assertSigned(request, signature, sign(secret, request));
      // Every platform's requests are signed the standard way as well.
      assertSigned(request, "webhook-signature", standardWebhooks(secret, request));

      const [delivery] = await settled(service, webhook.id);
      assert.equal(delivery.event_id, published.event_id);
      assert.equal(delivery.attempt_count, 1);
      assert.equal(delivery.last_outcome, "OUTCOME_ACCEPTED");
      assert.equal(delivery.last_http_status, 204);

      const headers = request.headers.map(([name, value]) => ({ name, value: Buffer.from(value, "latin1") }));
      const verify = (fields) =>
        service.call("Verify", { webhook_id: webhook.id, body: request.body, headers, ...fields });
      const genuine = await verify();
      assert.deepEqual([genuine.valid, genuine.reason, genuine.event_type], [true, "", "vault.created"]);
      for (const position of [0, request.body.length >> 1, request.body.length - 1]) {
        const body = Buffer.from(request.body);
        body[position] ^= 0x01;
        const forged = await verify({ body });
        assert.deepEqual([forged.valid, forged.reason], [false, "signature_mismatch"], `byte ${position} was changed`);
      }
      const unsigned = await verify({ headers: [] });
      assert.deepEqual([unsigned.valid, unsigned.reason], [false, "missing_header"]);
    });
  }
});

test("a failed attempt is tried again and both are on record", async (t) => {
  // Events would be lost when a receiver is briefly down, or nobody could tell why one came late.
  const [service, receiver] = [await startService(t), await startReceiver(t)];
  receiver.answers.push({ status: 503, body: "not now" });
  const { webhook, secret } = await register(service, receiver, {
    profile: "filedgr",
    retry_policy: { list: { delays: [{ seconds: 0, nanos: 0 }] } },
  });
  const published = await publish(service, "vault.created");

  const [first, second] = [await receiver.next(), await receiver.next()];
  assert.deepEqual(second.body, first.body);
  assert.equal(JSON.parse(second.body).eventId, published.event_id);
  assertSigned(second, "X-Filedgr-Signature", hexOfBody(secret, second));

  const [listed] = await settled(service, webhook.id);
  const { delivery, event, attempts } = await service.call("GetDelivery", { id: listed.id });
  assert.deepEqual(delivery, listed);
  assert.deepEqual([event.id, event.type], [published.event_id, "vault.created"]);
  assert.deepEqual(event.payload, PAYLOAD);
  assert.deepEqual(
    attempts.map((each) => [each.number, each.outcome, each.http_status, each.response_body.toString()]),
    [
      [1, "OUTCOME_REJECTED", 503, "not now"],
      [2, "OUTCOME_ACCEPTED", 204, ""],
    ],
  );
  assert.equal(delivery.attempt_count, 2);
});

test("deliveries are paged without gaps or repetitions", async (t) => {
  // Somebody who reads the log page by page would miss deliveries or see them twice.
  const [service, receiver] = [await startService(t), await startReceiver(t)];
  const { webhook } = await register(service, receiver, { profile: "filedgr" });
  const newestFirst = [];
  for (let n = 0; n < 5; n += 1) {
    newestFirst.unshift((await publish(service, "vault.accessed", { payload: `{"n":${n}}` })).event_id);
  }
  await settled(service, webhook.id, 5);

  const pages = [];
  let page_token = "";
  do {
    const page = await service.call("ListDeliveries", { webhook_id: webhook.id, page_size: 2, page_token });
    pages.push(page.deliveries.map(({ event_id }) => event_id));
    page_token = page.next_page_token;
  } while (page_token && pages.length < 10);
  assert.deepEqual(pages, [newestFirst.slice(0, 2), newestFirst.slice(2, 4), newestFirst.slice(4)]);
});

test("an update changes what its mask names and nothing else", async (t) => {
  // An update would wipe settings that its caller never mentioned, or reach deliveries late.
  const [service, receiver] = [await startService(t), await startReceiver(t)];
  const { webhook: before } = await register(service, receiver, {
    profile: "filedgr",
    name: "before",
    event_types: ["vault.created"],
  });
  const wanted = { id: before.id, name: "after", event_types: ["stream.*"], url: "http://127.0.0.1:9/not-in-the-mask" };
  const { webhook: updated } = await service.call("UpdateWebhook", {
    webhook: wanted,
    update_mask: { paths: ["name", "event_types"] },
  });
  assert.deepEqual(
    [updated.name, updated.event_types, updated.url, updated.profile],
    ["after", ["stream.*"], before.url, "filedgr"],
  );
  const { webhook: read } = await service.call("GetWebhook", { id: before.id });
  // How it is doing, which only GetWebhook tells of an active webhook.
  assert.deepEqual({ ...read, status: updated.status }, updated);

  // The very next publish goes by the new values.
  assert.equal((await publish(service, "vault.created")).delivery_count, 0);
  const published = await publish(service, "stream.alert_triggered");
  assert.equal(published.delivery_count, 1);
  assert.equal(JSON.parse((await receiver.next()).body).eventId, published.event_id);

  const refused = await refusal(service.call("UpdateWebhook", { webhook: wanted, update_mask: { paths: [] } }));
  assert.equal(refused.code, grpc.status.INVALID_ARGUMENT);
  assert.deepEqual(errorDetails(refused).fields, ["update_mask"]);
});

test("a deleted webhook is gone and its log stays", async (t) => {
  // Deleting would either not stop deliveries or take the evidence with it.
  const [service, receiver] = [await startService(t), await startReceiver(t)];
  const { webhook } = await register(service, receiver, { profile: "filedgr" });
  await publish(service, "vault.created");
  await receiver.next();
  const [delivery] = await settled(service, webhook.id);

  await service.call("DeleteWebhook", { id: webhook.id });
  for (const method of ["GetWebhook", "DeleteWebhook"]) {
    const missing = await refusal(service.call(method, { id: webhook.id }));
    assert.equal(missing.code, grpc.status.NOT_FOUND);
    const { info } = errorDetails(missing);
    assert.deepEqual([info.reason, info.domain], ["WEBHOOK_NOT_FOUND", "hookwright"]);
  }
  assert.equal((await publish(service, "vault.created")).delivery_count, 0);
  assert.deepEqual((await service.call("ListWebhooks", {})).webhooks, []);
  const { deliveries } = await service.call("ListDeliveries", { webhook_id: webhook.id });
  assert.deepEqual(deliveries.map(({ id }) => id), [delivery.id]);
});

test("a repeated publish is one event", async (t) => {
  // A publisher that retries after a lost answer would make its customers see the event twice.
  const [service, receiver] = [await startService(t), await startReceiver(t)];
  const { webhook } = await register(service, receiver, { profile: "filedgr" });
  const first = await publish(service, "vault.created", { key: "order-17" });
  const again = await publish(service, "vault.created", { key: "order-17" });
  assert.deepEqual([first.duplicate, again.duplicate], [false, true]);
  assert.equal(again.event_id, first.event_id);
  await settled(service, webhook.id);
});

test("events of a stream are answered one by one", async (t) => {
  // A publisher of many events would pay for a call each, and one bad event would end a stream.
  const [service, receiver] = [await startService(t), await startReceiver(t)];
  const { webhook } = await register(service, receiver, { profile: "generic" });
  const call = service.client.PublishStream({ deadline: Date.now() + DEADLINE_MS });
  const answers = new Map();
  call.on("data", (answer) => answers.set(Number(answer.sequence), answer));
  const ended = within(once(call, "end"), "the stream's end");
  for (let sequence = 0; sequence < 50; sequence += 1) {
    const payload = Buffer.from(sequence === 7 ? "{not json" : JSON.stringify({ sequence }));
    call.write({ sequence, event: { event_type: "vault.created", payload } });
  }
  call.end();
  await ended;
  assert.equal(answers.size, 50);
  assert.deepEqual([answers.get(7).error.code, answers.get(7).error.reason], [3, "INVALID_PAYLOAD"]);
  answers.delete(7);
  const { deliveries } = await service.call("ListDeliveries", { webhook_id: webhook.id });
  const published = [...answers.values()].map((answer) => answer.published.event_id);
  assert.deepEqual(deliveries.map((delivery) => delivery.event_id).sort(), published.sort());
});

test("what happens to deliveries is told and goes on behind a cursor", async (t) => {
  // A dashboard would ask again and again, or miss what happened while its connection was broken.
  const [service, receiver] = [await startService(t), await startReceiver(t)];
  const watch = (cursor) => {
    const call = service.client.WatchDeliveries({ cursor }, { deadline: Date.now() + DEADLINE_MS });
    // Cancelled by this test, which is an error to whoever still listens.
    call.on("error", () => {});
    const answers = call[Symbol.asyncIterator]();
    const next = async () => (await within(answers.next(), "what happens")).value;
    return { call, next };
  };
  const { webhook } = await register(service, receiver, { profile: "generic" });
  const first = watch("");
  assert.equal((await first.next()).change, null);
  const event = await publish(service, "vault.created");
  const { cursor, change } = await first.next();
  assert.deepEqual([change.event_id, change.webhook_id], [event.event_id, webhook.id]);
  assert.deepEqual([change.state, change.attempt.outcome], ["DELIVERY_STATE_DELIVERED", "OUTCOME_ACCEPTED"]);
  first.call.cancel();
  const missed = await publish(service, "vault.created");
  await settled(service, webhook.id, 2);
  const second = watch(cursor);
  assert.equal((await second.next()).cursor, cursor);
  assert.equal((await second.next()).change.event_id, missed.event_id);
  second.call.cancel();
});

test("a bad field is named", async (t) => {
  // Callers would have to guess from prose which of their fields was refused.
  const service = await startService(t);
  for (const [method, request, field, reason] of [
    ["Register", { webhook: { url: "not a url" } }, "webhook.url", "INVALID_URL"],
    ["Register", { webhook: { url: "ftp://127.0.0.1/" } }, "webhook.url", "INVALID_URL"],
    ["Publish", { event_type: "vault.created", payload: Buffer.from("{not json") }, "payload", "INVALID_PAYLOAD"],
  ]) {
    const refused = await refusal(service.call(method, request));
    assert.equal(refused.code, grpc.status.INVALID_ARGUMENT);
    const { fields, info } = errorDetails(refused);
    assert.deepEqual([fields, info.reason, info.domain], [[field], reason, "hookwright"]);
  }
  assert.deepEqual((await service.call("ListWebhooks", {})).webhooks, [], "a refused request left traces");
});

test("health and reflection are served", async (t) => {
  // Load balancers would take the service out, and tools like grpcurl would need the proto files.
  const service = await startService(t);
  const health = service.connect(packages.grpc.health.v1.Health);
  for (const name of ["", "hookwright.v1.WebhookService"]) {
    assert.equal((await unary(health, "Check", { service: name })).status, "SERVING", `service "${name}"`);
  }

  const reflection = service.connect(packages.grpc.reflection.v1.ServerReflection);
  const call = reflection.ServerReflectionInfo({ deadline: Date.now() + DEADLINE_MS });
  const answered = within(Promise.all([once(call, "data"), once(call, "end")]), "an answer from reflection");
  call.write({ list_services: "" });
  call.end();
  const [[answer]] = await answered;
  const names = answer.list_services_response.service.map(({ name }) => name);
  assert.ok(names.includes("hookwright.v1.WebhookService"), `listed are ${names}`);
});

test("a key opens what its scopes permit", async (t) => {
  // Clients could not call a service that wants keys, or could do more than their key permits.
  const service = await startService(t, { wantsKeys: true });
  const refused = async (method, request, key) => {
    const error = await refusal(service.call(method, request, key));
    return [error.code, errorDetails(error).info.reason];
  };
  const event = { event_type: "vault.created", payload: PAYLOAD };
  assert.deepEqual(await refused("Publish", event), [grpc.status.UNAUTHENTICATED, "KEY_MISSING"]);
  const wanted = { name: "publisher", scopes: ["SCOPE_PUBLISH"] };
  const made = await service.call("CreateKey", { key: wanted }, service.key);
  assert.match(made.text, /^hwk_[0-9a-z]{78}$/);
  assert.ok((await service.call("Publish", event, made.text)).event_id);
  assert.deepEqual(await refused("ListWebhooks", {}, made.text), [grpc.status.PERMISSION_DENIED, "SCOPE_MISSING"]);
  await service.call("RevokeKey", { id: made.key.id }, service.key);
  assert.deepEqual(await refused("Publish", event, made.text), [grpc.status.UNAUTHENTICATED, "KEY_INVALID"]);
});
