// The real service as a child process, a real HTTP receiver, and waiting with a deadline.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const here = path.dirname(fileURLToPath(import.meta.url));
export const repository = path.resolve(here, "../../..");

// Generous, because it only delays failures: a loaded machine with two cores must not fail a good build.
export const DEADLINE_MS = 30_000;

const LISTENING = /^listening on https?:\/\/127\.0\.0\.1:(\d+)$/;

// Names as in the proto files, 64-bit numbers as text, enums by name: what is checked is what the files say.
const options = {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
  includeDirs: [path.join(repository, "proto"), path.join(here, "protos")],
};
const definitions = loadSync(
  ["hookwright/v1/webhook_service.proto", "rpc.proto", "health.proto", "reflection.proto"],
  options,
);
export const packages = grpc.loadPackageDefinition(definitions);

/** Settles with `promise`, or fails at the deadline. */
export async function within(promise, what) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${DEADLINE_MS} ms: ${what}`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The first true answer of `question`, which is asked again until the deadline.
 * For facts that the service has no call to wait for. Whatever announces itself is waited for directly.
 */
export async function eventually(question, what) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    assert.ok(Date.now() < deadline, `not within ${DEADLINE_MS} ms: ${what}`);
    // Room for the service to do what is asked about.
    await pause(10);
  }
}

/** One unary call that cannot outlast the deadline. */
export function unary(client, method, request, key) {
  const metadata = new grpc.Metadata();
  if (key) metadata.set("authorization", `Bearer ${key}`);
  return new Promise((resolve, reject) => {
    client[method](request, metadata, { deadline: Date.now() + DEADLINE_MS }, (error, answer) => {
      if (error) reject(error);
      else resolve(answer);
    });
  });
}

/**
 * `hookwright serve` on an empty SQLite database and a free port, until the test ends; with `more` arguments if given.
 * `credentials` are those of the client, where there is TLS. `key` is one to call it with, if it wants keys.
 */
export async function startService(
  test,
  { more = [], credentials = grpc.credentials.createInsecure(), wantsKeys = false } = {},
) {
  const binary = process.env.HOOKWRIGHT_BINARY ?? path.join(repository, "target/debug/hookwright");
  await access(binary).catch(() => {
    throw new Error(`${binary} is missing: \`cargo build -p hookwright\`, or set HOOKWRIGHT_BINARY`);
  });
  const folder = await mkdtemp(path.join(tmpdir(), "hookwright-node-"));
  // Settings of whoever runs the tests must not change what is tested.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HOOKWRIGHT_")));
  let key;
  if (wantsKeys) {
    const args = ["keys", "create", "tests", "--scope=admin", "--scope=operator", "--data=hookwright.db", "--json"];
    const made = await promisify(execFile)(binary, args, { cwd: folder, env, timeout: DEADLINE_MS });
    key = JSON.parse(made.stdout).text;
  }
  const child = spawn(
    binary,
    [
      "serve",
      "--listen=127.0.0.1:0",
      "--allow-http",
      "--allow-private-targets",
      `--store=sqlite:${path.join(folder, "hookwright.db")}`,
      ...more,
      ...(wantsKeys ? ["--auth=keys"] : []),
    ],
    {
      cwd: folder,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const closed = once(child, "close");
  // To the end, so that a full pipe never stops the service.
  const lines = createInterface({ input: child.stdout });
  const firstLine = Promise.race([
    once(lines, "line").then(([line]) => line),
    once(lines, "close").then(() => "(nothing)"),
  ]);

  const clients = [];
  test.after(async () => {
    clients.forEach((client) => client.close());
    child.kill("SIGTERM");
    try {
      const [code, signal] = await within(closed, "the service's end after SIGTERM");
      assert.equal(code ?? signal, 0, `how the service ended after SIGTERM; its log:\n${log}`);
    } finally {
      child.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    }
  });

  const line = await within(firstLine, "the service's first line");
  const port = LISTENING.exec(line)?.[1];
  assert.ok(port, `the first line on stdout is ${JSON.stringify(line)}; the log on stderr:\n${log}`);

  const connect = (Client, as = credentials) => {
    // A proxy from the environment has no business between a test and its own machine.
    const noProxy = { "grpc.enable_http_proxy": 0 };
    const client = new Client(`127.0.0.1:${port}`, as, noProxy);
    clients.push(client);
    return client;
  };
  const client = connect(packages.hookwright.v1.WebhookService);
  return { client, connect, key, call: (method, request, key) => unary(client, method, request, key) };
}

/** An HTTP server that keeps what it gets and answers 204, or first what `answers` says, until the test ends. */
export async function startReceiver(test) {
  const received = [];
  const waiting = [];
  const answers = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const { status, body } = answers.shift() ?? { status: 204 };
      // Raw, because a header may come twice and `headers` would hide it.
      const headers = [];
      for (let at = 0; at < request.rawHeaders.length; at += 2) {
        headers.push([request.rawHeaders[at], request.rawHeaders[at + 1]]);
      }
      const got = { path: request.url, method: request.method, headers, body: Buffer.concat(chunks) };
      response.writeHead(status).end(body);
      const first = waiting.shift();
      if (first) first(got);
      else received.push(got);
    });
  });
  // When another cleanup of the test fails, the one below is skipped: what is left open must not keep the run alive.
  server.unref();
  server.on("connection", (socket) => socket.unref());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${server.address().port}/hooks`,
    answers,
    /** The next request, waited for. */
    next: () =>
      within(
        received.length > 0 ? Promise.resolve(received.shift()) : new Promise((resolve) => waiting.push(resolve)),
        "a request at the receiver",
      ),
  };
}

/** The value of a header that came exactly once. */
export function header(request, name) {
  const values = request.headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  assert.equal(values.length, 1, `${name} came ${values.length} times in ${JSON.stringify(request.headers)}`);
  return values[0];
}

/** What an error's `grpc-status-details-bin` trailer holds: its `ErrorInfo` and the fields its `BadRequest` names. */
export function errorDetails(error) {
  const trailers = error.metadata.get("grpc-status-details-bin");
  assert.equal(trailers.length, 1, `the google.rpc details of ${error.message}`);
  const decode = (name, bytes) => definitions[`google.rpc.${name}`].deserialize(bytes);
  const status = decode("Status", trailers[0]);
  assert.equal(status.code, error.code);
  const details = { fields: [] };
  for (const detail of status.details) {
    const type = detail.type_url.split("/").pop();
    if (type === "google.rpc.ErrorInfo") {
      assert.equal(details.info, undefined, "more than one ErrorInfo");
      details.info = decode("ErrorInfo", detail.value);
    } else if (type === "google.rpc.BadRequest") {
      details.fields.push(...decode("BadRequest", detail.value).field_violations.map((violation) => violation.field));
    }
  }
  assert.ok(details.info, `no ErrorInfo in ${error.message}`);
  return details;
}
