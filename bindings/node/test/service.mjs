// The real service as a child process, and a client for it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const options = {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  includeDirs: [path.join(repository, "proto")],
};

/** Generous, because it only delays failures. */
const DEADLINE_MS = 30_000;

export const binary = process.env.HOOKWRIGHT_BINARY ?? path.join(repository, "target/debug/hookwright");

/** Why there is no service to test against, or false. */
export const noService =
  !existsSync(binary) && `${binary} is missing: cargo build -p hookwright, or set HOOKWRIGHT_BINARY`;

/** `hookwright serve` on an empty database and a free port, until the test ends. */
export async function startService(context) {
  const folder = await mkdtemp(path.join(tmpdir(), "hookwright-node-e2e-"));
  const flags = [
    "--listen=127.0.0.1:0",
    "--allow-http",
    "--allow-private-targets",
    `--store=sqlite:${folder}/hookwright.db`,
  ];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HOOKWRIGHT_")));
  const child = spawn(binary, ["serve", ...flags], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const closed = once(child, "close");
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, "line"), closed.then(() => [`ended: ${log}`])]);
  const port = /^listening on http:\/\/127\.0\.0\.1:(\d+)$/.exec(line)?.[1];
  assert.ok(port, line);

  const { WebhookService } = grpc.loadPackageDefinition(loadSync("hookwright/v1/webhook_service.proto", options))
    .hookwright.v1;
  const client = new WebhookService(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
  });
  context.after(async () => {
    client.close();
    child.kill("SIGTERM");
    await closed;
    await rm(folder, { recursive: true, force: true });
  });
  return (method, request) =>
    new Promise((resolve, reject) => {
      client[method](request, { deadline: Date.now() + DEADLINE_MS }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
}

/** The first true answer of `question`, which is asked until the deadline: for facts that nobody announces. */
export async function eventually(question, what) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    assert.ok(Date.now() < deadline, `not within ${DEADLINE_MS} ms: ${what}`);
    await pause(10);
  }
}
