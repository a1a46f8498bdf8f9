// Replays the shared vectors on every engine. If one of these fails, a receiver refuses a platform's genuine webhook
// or accepts a forged one, or says another reason than the service and the other languages do.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { ENGINES } from "./engines.mjs";

const shared = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../tests/vectors");
const files = [
  path.join(shared, "requests.json"),
  path.join(shared, "more_requests.json"),
  ...(process.env.HOOKWRIGHT_VECTORS?.split(path.delimiter) ?? []),
];

function read(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}

function bodyOf(vector) {
  return Buffer.from(vector.body ?? vector.body_base64, vector.body === undefined ? "base64" : "utf8");
}

async function verdict(makeEndpoint, vector) {
  try {
    const endpoint = makeEndpoint(vector.secrets, {
      scheme: vector.scheme,
      ...("tolerance" in vector ? { tolerance: vector.tolerance } : {}),
    });
    return await endpoint.verify(bodyOf(vector), vector.headers, {
      now: vector.now,
      method: vector.method,
      url: vector.url ?? "https://example.com/webhook",
    });
  } catch (error) {
    if (error.code === undefined || error.code.startsWith("ERR_")) throw error;
    return { code: error.code, message: error.message, header: error.header };
  }
}

for (const file of files) {
  const { vectors } = read(file);
  describe(path.basename(file), () => {
    for (const [name, makeEndpoint] of Object.entries(ENGINES)) {
      test(`every request gets its verdict on ${name}`, async () => {
        for (const vector of vectors) {
          const { code = "ok" } = await verdict(makeEndpoint, vector);
          const accepted = [vector.error ?? vector.expect, ...(vector.error_also_acceptable ?? [])];
          assert.ok(accepted.includes(code), `${vector.id}: ${code}, expected ${accepted.join(" or ")}`);
        }
        assert.ok(vectors.length > 0);
      });
    }

    test("the engines agree on every word of every verdict", async () => {
      for (const vector of vectors) {
        const [native, ...others] = await Promise.all(
          Object.values(ENGINES).map((makeEndpoint) => verdict(makeEndpoint, vector)),
        );
        delete native.envelope;
        for (const other of others) {
          delete other.envelope;
          assert.deepEqual(other, native, vector.id);
        }
      }
    });
  });
}

describe("envelopes.json", () => {
  const { envelopes } = read(path.join(shared, "envelopes.json"));

  for (const engine of ["native", "node:crypto"]) {
    test(`every documented envelope is read by its profile on ${engine}`, async () => {
      for (const { profile, text } of envelopes) {
        const { endpoint } = ENGINES[engine]("whsec_AAECAwQFBgcICQoLDA0ODxAREhM=", { profile });
        const envelope = endpoint.parse(Buffer.from(text), {});
        assert.ok(envelope.eventType, text);
        JSON.parse(envelope.data);
      }
    });
  }

  test("both readers take them apart alike", () => {
    for (const { profile, text } of envelopes) {
      const [native, interpreted] = ["native", "node:crypto"].map((engine) =>
        ENGINES[engine]("whsec_AAECAwQFBgcICQoLDA0ODxAREhM=", { profile }).endpoint.parse(Buffer.from(text), {}),
      );
      assert.deepEqual({ ...interpreted }, { ...native });
    }
  });
});
