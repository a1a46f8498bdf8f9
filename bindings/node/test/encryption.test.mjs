// Encrypted payloads: the shared vectors, and a webhook from end to end. If these fail, a receiver cannot read what was
// encrypted for it, or reads what was not.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Webhook } from "hookwright";
import { Webhook as EdgeWebhook } from "hookwright/edge";

import { native } from "../dist/esm/native/binding.js";

const shared = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../tests/vectors/jwe.json");
const { keys, messages, key_texts } = JSON.parse(readFileSync(shared, "utf8"));
const SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";

const textOf = (key) => (typeof key === "string" ? key : JSON.stringify(key));
const message = messages.find(({ plaintext_base64url, token }) => plaintext_base64url && token);

describe("encryption", () => {
  test("every message of the shared vectors is decrypted, or refused with its code", () => {
    for (const vector of messages) {
      let answer;
      try {
        answer = native.bindKeys(vector.keys.map((name) => textOf(keys[name]))).decrypt(Buffer.from(vector.token));
      } catch (error) {
        assert.equal(error.code, vector.error, vector.id);
        continue;
      }
      if (vector.error === undefined) {
        assert.equal(Buffer.from(answer).toString("base64url"), vector.plaintext_base64url, vector.id);
      } else if (answer !== null) {
        assert.equal(answer.split("\n")[0], vector.error, vector.id);
      } else {
        assert.equal(vector.error, "malformed_jwe", `${vector.id} is not encrypted at all`);
      }
    }
  });

  test("what is no private key stops the program when it starts", () => {
    for (const { id, role, text, error } of key_texts) {
      if (role !== "decrypt" || error === undefined) continue;
      assert.throws(() => new Webhook(SECRET, { decryptionKeys: [text] }), { code: "invalid_key" }, id);
    }
    const many = Array(17).fill(textOf(keys[message.keys[0]]));
    assert.throws(() => new Webhook(SECRET, { decryptionKeys: many }), { code: "invalid_key" });
  });

  test("an encrypted webhook is verified as it was sent, and read as it was meant", () => {
    const decryptionKeys = message.keys.map((name) => keys[name]);
    const plaintext = Buffer.from(message.plaintext_base64url, "base64url");
    const webhook = new Webhook(SECRET, { profile: "filedgr", decryptionKeys });
    const headers = webhook.sign(message.token);
    const event = webhook.verify(message.token, headers);
    assert.equal(event.type, JSON.parse(plaintext).eventType);
    assert.deepEqual(event.json(), JSON.parse(plaintext));
    assert.deepEqual(Buffer.from(event.body), plaintext);

    const relabelled = { ...headers, "x-filedgr-event-type": "vault.accessed" };
    assert.throws(() => webhook.verify(message.token, relabelled), { code: "header_mismatch" });
    const changed = message.token.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
    assert.throws(() => webhook.verify(changed, headers), { code: "signature_mismatch" });
    assert.throws(() => webhook.verify(changed, webhook.sign(changed)), { status: 400 });

    const plain = webhook.signEvent({ type: "vault.created", data: { vaultId: "vault_1" } });
    assert.equal(
      webhook.verify(plain.body, plain.headers).data.vaultId,
      "vault_1",
      "what is not encrypted is still read",
    );
  });

  test("where native code is missing, it is said at the start", () => {
    assert.throws(() => new EdgeWebhook(SECRET, { decryptionKeys: [keys[message.keys[0]]] }), {
      code: "invalid_option",
    });
  });
});
