// The same client over TLS, with a certificate of its own.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import grpc from "@grpc/grpc-js";

import { packages, repository, startService, unary } from "./harness.mjs";

test("a client with a certificate is served and others are not", async (t) => {
  // Clients beyond this machine could not call without everybody reading along, or everybody could call.
  const folder = await mkdtemp(path.join(tmpdir(), "hookwright-certificates-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await promisify(execFile)(path.join(repository, "tests/clients/make-certificates"), [folder]);
  const file = (name) => path.join(folder, name);
  const [authority, key, certificate] = await Promise.all(
    ["ca.pem", "client.key", "client.pem"].map((name) => readFile(file(name))),
  );
  const tls = [
    `--tls-cert=${file("server.pem")}`,
    `--tls-key=${file("server.key")}`,
    `--client-ca=${file("ca.pem")}`,
  ];
  const service = await startService(t, {
    more: tls,
    credentials: grpc.credentials.createSsl(authority, key, certificate),
  });
  const published = await service.call("Publish", { event_type: "vault.created", payload: Buffer.from("{}") });
  assert.match(published.event_id, /^evt_/);

  for (const refused of [grpc.credentials.createSsl(authority), grpc.credentials.createInsecure()]) {
    const client = service.connect(packages.hookwright.v1.WebhookService, refused);
    await assert.rejects(unary(client, "ListWebhooks", {}), { code: grpc.status.UNAVAILABLE });
  }
});
