// Validation, the helpers for tests, rate limits and generated types: what stands around a receiver.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { rateLimit } from "express-rate-limit";
import supertest from "supertest";

import { Webhook } from "hookwright";
import { hookwright } from "hookwright/express";
import { deliver, eventTypes, sampleData, signedRequest } from "hookwright/testing";
import { schemaValidator } from "hookwright/validation";

const express = createRequire(import.meta.url)("express");
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";
const PROFILES = ["filedgr", "digivault", "aetherflow", "contractai", "generic"];

function verified(profile, type, data) {
  const webhook = new Webhook(SECRET, { profile });
  const { body, headers } = webhook.signEvent({ type, data });
  return webhook.verify(body, headers);
}

describe("validation", () => {
  for (const profile of PROFILES) {
    test(`the documented samples of ${profile} are valid, and empty data is not`, () => {
      const validate = schemaValidator(profile);
      for (const type of eventTypes(profile)) {
        assert.equal(validate(verified(profile, type, sampleData(profile, type))), undefined, type);
        assert.ok(validate(verified(profile, type, "no object")).length > 0, type);
      }
    });
  }

  test("a violation says where and what, and never how the data reads", () => {
    const validate = schemaValidator("filedgr");
    const data = { ...sampleData("filedgr", "vault.created"), createdAt: "yesterday", owner: 7 };
    assert.deepEqual(validate(verified("filedgr", "vault.created", data)), [
      { path: "/owner", message: "must be string" },
      { path: "/createdAt", message: 'must match format "date-time"' },
    ]);
  });

  test("types that a platform adds later pass, unless they are refused", () => {
    const event = verified("filedgr", "vault.painted", {});
    assert.equal(schemaValidator("filedgr")(event), undefined);
    assert.equal(schemaValidator("filedgr", { refuseUnknownTypes: true })(event).length, 1);
  });

  test("schemas of one's own", () => {
    const validate = schemaValidator({ "order.paid": { type: "object", required: ["total"] } });
    const webhook = new Webhook(SECRET, { profile: "generic" });
    const { body, headers } = webhook.signEvent({ type: "order.paid", data: {} });
    assert.deepEqual(validate(webhook.verify(body, headers)), [
      { path: "", message: "must have required property 'total'" },
    ]);
    assert.throws(() => schemaValidator({ x: { type: "nonsense" } }), { code: "invalid_option" });
    assert.throws(() => schemaValidator("no-such-profile"), { code: "unknown_profile" });
  });
});

describe("helpers for tests", () => {
  test("supertest delivers a signed event", async () => {
    const app = express();
    app.post(
      "/hooks",
      hookwright({ secret: SECRET, profile: "digivault" }).on("contact.created", () => {}),
    );
    const event = signedRequest({ secret: SECRET, profile: "digivault" }, { type: "contact.created" });
    await deliver(supertest(app).post("/hooks"), event).expect(200, { received: true });
    const forged = { ...event, body: Buffer.from("{}") };
    await deliver(supertest(app).post("/hooks"), forged).expect(401, { error: "Invalid signature" });
  });

  test("a scheme without a profile signs what it is given", () => {
    const secret = "a secret of some length";
    const { body, headers } = signedRequest(
      { secret, scheme: "stripe" },
      { type: "charge.paid", data: { type: "charge.paid" } },
    );
    assert.equal(new Webhook(secret, { scheme: "stripe" }).verify(body, headers).json().type, "charge.paid");
  });

  test("samples are copies", () => {
    sampleData("filedgr", "vault.created").name = "changed";
    assert.equal(sampleData("filedgr", "vault.created").name, "Product Certification Vault");
    assert.throws(() => sampleData("filedgr", "vault.painted"), { code: "invalid_option" });
  });
});

test("express-rate-limit goes in front, and what it refuses costs no verification", async (context) => {
  const app = express();
  let verifications = 0;
  const receiver = hookwright({ secret: SECRET, profile: "filedgr", onError: () => verifications++ });
  app.post("/hooks", rateLimit({ windowMs: 60_000, limit: 2, standardHeaders: true, legacyHeaders: false }), receiver);
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}/hooks`;
  const statuses = [];
  for (let n = 0; n < 4; n++) statuses.push((await fetch(url, { method: "POST", body: "{}" })).status);
  assert.deepEqual(statuses, [401, 401, 429, 429]);
  assert.equal(verifications, 2);
});

describe("generated types", () => {
  const cli = path.join(root, "typegen/cli.mjs");

  test("what is committed is what the core's files say", () => {
    execFileSync(process.execPath, [path.join(root, "scripts/generate.mjs"), "--check"]);
  });

  test("hookwright-typegen writes an interface for one's own events", (context) => {
    const folder = mkdtempSync(path.join(tmpdir(), "hookwright-typegen-"));
    context.after(() => rmSync(folder, { recursive: true }));
    const schemas = {
      "order.paid": {
        description: "An order was paid",
        type: "object",
        required: ["total", "items"],
        properties: {
          total: { type: "number", description: "In cents" },
          items: { type: "array", items: { $ref: "#/$defs/item" } },
          state: { enum: ["open", "closed"] },
          "odd name": { type: ["string", "null"] },
          pair: { prefixItems: [{ type: "string" }, { type: "integer" }], items: false, type: "array" },
          labels: { type: "object", additionalProperties: { type: "string" } },
          either: { oneOf: [{ const: 1 }, { type: "boolean" }] },
        },
        $defs: { item: { type: "object", properties: { sku: { type: "string" } } } },
      },
      "order.lost": true,
    };
    const input = path.join(folder, "acme.json");
    const output = path.join(folder, "acme.d.ts");
    writeFileSync(input, JSON.stringify(schemas));
    execFileSync(process.execPath, [cli, input, "-o", output]);
    const text = readFileSync(output, "utf8");
    for (const line of [
      "export interface AcmeEvents {",
      '  "order.paid": {',
      "    /** In cents. */\n    total: number;",
      "    items: AcmeItem[];",
      '    state?: "open" | "closed";',
      '    "odd name"?: string | null;',
      "    pair?: [string, number];",
      "    labels?: Record<string, string>;",
      "    either?: 1 | boolean;",
      '  "order.lost": unknown;',
    ]) {
      assert.ok(text.includes(line), `${line}\n--- is not in ---\n${text}`);
    }
    assert.equal(spawnSync(process.execPath, [cli, input, "-o", output, "--check"]).status, 0);
    writeFileSync(output, "");
    assert.equal(spawnSync(process.execPath, [cli, input, "-o", output, "--check"]).status, 1);
    assert.equal(spawnSync(process.execPath, [cli, path.join(folder, "none.json")]).status, 1);
    assert.equal(spawnSync(process.execPath, [cli]).status, 2);
  });
});
