// Real Express applications, versions 4 and 5, and real requests. A receiver that answers wrongly loses events, or
// lets a sender retry for days; one that hangs blocks a worker.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import net from "node:net";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";

import { Webhook } from "hookwright";
import { hookwright, keepRawBody } from "hookwright/express";

const require = createRequire(import.meta.url);
const SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";
const sender = new Webhook(SECRET, { profile: "filedgr" });

async function serve(context, app) {
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

function signed(event = {}) {
  return sender.signEvent({ type: "vault.created", data: { vaultId: "vault_1" }, id: "evt_1", ...event });
}

async function post(url, { body, headers }, change = {}) {
  const response = await fetch(`${url}/hooks`, { method: "POST", body, headers: { ...headers, ...change } });
  const text = await response.text();
  return { status: response.status, body: text && JSON.parse(text), headers: response.headers };
}

/** What a raw socket gets back for a request written by hand. */
async function raw(url, text) {
  const { port } = new URL(url);
  const socket = net.connect(Number(port), "127.0.0.1");
  let received = "";
  socket.setEncoding("latin1").on("data", (chunk) => (received += chunk));
  socket.write(text, "latin1");
  await once(socket, "close");
  return received;
}

function rawRequest({ body, headers }, extra = [], { close = true, length = body.length } = {}) {
  const lines = [...Object.entries(headers), ...extra].map(([name, value]) => `${name}: ${value}`);
  const framing = [`Content-Length: ${length}`, ...(close ? ["Connection: close"] : [])];
  return `POST /hooks HTTP/1.1\r\nHost: localhost\r\n${[...lines, ...framing].join("\r\n")}\r\n\r\n${Buffer.from(body).toString("latin1")}`;
}

for (const [version, express] of [
  ["Express 4", require("express4")],
  ["Express 5", require("express")],
]) {
  describe(version, () => {
    /** An application with one endpoint; what is refused is kept in `errors`. */
    async function start(context, { options = {}, before = [], build } = {}) {
      const app = express();
      const events = [];
      const errors = [];
      before.forEach((middleware) => app.use(middleware));
      const receiver = hookwright({
        secret: SECRET,
        profile: "filedgr",
        onError: (error) => errors.push(error),
        ...options,
      });
      if (build) build(receiver, events, app);
      else receiver.otherwise((event) => void events.push(event));
      app.post("/hooks", receiver, (req, res) => {
        events.push(req.webhook);
        res.sendStatus(204);
      });
      return { url: await serve(context, app), events, errors, codes: () => errors.map(({ code }) => code) };
    }

    test("a genuine webhook reaches its handler and is acknowledged", async (context) => {
      const { url, events } = await start(context);
      const { status, body } = await post(url, signed());
      assert.deepEqual([status, body], [200, { received: true }]);
      assert.equal(events[0].id, "evt_1");
      assert.equal(events[0].type, "vault.created");
      assert.deepEqual(events[0].data, { vaultId: "vault_1" });
    });

    test("without handlers it is middleware, and leaves the event in req.webhook", async (context) => {
      const { url, events } = await start(context, { build: () => {} });
      assert.equal((await post(url, signed())).status, 204);
      assert.equal(events[0].type, "vault.created");
    });

    test("events go to the most specific handler", async (context) => {
      const seen = [];
      const { url } = await start(context, {
        build: (receiver) =>
          receiver
            .on("vault.created", () => void seen.push("created"))
            .on("vault.*", () => void seen.push("vault"))
            .otherwise(() => void seen.push("other")),
      });
      for (const type of ["vault.created", "vault.accessed", "stream.data_received"]) {
        assert.equal((await post(url, signed({ type, id: "evt_1" }))).status, 200);
      }
      assert.deepEqual(seen, ["created", "vault", "other"]);
    });

    test("an event that nobody handles is acknowledged, so that it is not offered for days", async (context) => {
      const { url } = await start(context, { build: (receiver) => receiver.on("vault.accessed", () => {}) });
      assert.equal((await post(url, signed())).status, 200);
    });

    test("a handler that fails is answered with 500, so that the sender tries again", async (context) => {
      const { url, errors } = await start(context, {
        build: (receiver) =>
          receiver.otherwise(async () => {
            throw new Error("the database is away");
          }),
      });
      const { status, body } = await post(url, signed());
      assert.deepEqual([status, body], [500, { error: "Internal error" }]);
      assert.equal(errors[0].message, "the database is away");
    });

    test("a missing signature header is answered with the guide's 401", async (context) => {
      const { url, codes } = await start(context);
      const { body } = signed();
      const answer = await post(url, { body, headers: {} });
      assert.deepEqual([answer.status, answer.body], [401, { error: "Missing signature header" }]);
      assert.deepEqual(codes(), ["missing_header"]);
    });

    test("a tampered body is answered with the guide's 401, and nothing says why", async (context) => {
      const { url, codes, events } = await start(context);
      const { body, headers } = signed();
      const answer = await post(url, { body: Buffer.concat([body, Buffer.from(" ")]), headers });
      assert.deepEqual([answer.status, answer.body], [401, { error: "Invalid signature" }]);
      assert.equal(answer.headers.get("cache-control"), "no-store");
      assert.deepEqual(codes(), ["signature_mismatch"]);
      assert.equal(events.length, 0);
    });

    for (const [what, signature] of [
      ["short", "your-test-signature"],
      ["empty", ""],
      ["of 64 characters that are not hex", "é".repeat(64)],
      ["valid with rubbish behind it", `${"0".repeat(64)}zzzz`],
    ]) {
      test(`a signature that is ${what} is refused with 401`, async (context) => {
        const { url } = await start(context);
        const { body, headers } = signed();
        const { "webhook-signature": _, ...legacy } = headers;
        const answer = await raw(url, rawRequest({ body, headers: { ...legacy, "X-Filedgr-Signature": signature } }));
        assert.match(answer, /^HTTP\/1\.1 401 /);
      });
    }

    test("a header that came twice is refused, whichever of the two is right", async (context) => {
      const { url, codes } = await start(context);
      const message = signed();
      const answer = await raw(
        url,
        rawRequest(message, [["x-filedgr-signature", message.headers["X-Filedgr-Signature"]]]),
      );
      assert.match(answer, /^HTTP\/1\.1 401 /);
      assert.deepEqual(codes(), ["duplicate_header"]);
    });

    test("an unsigned header that contradicts the body is refused", async (context) => {
      const { url, codes } = await start(context);
      const answer = await post(url, signed(), { "X-Filedgr-Event-Type": "vault.accessed" });
      assert.equal(answer.status, 401);
      assert.deepEqual(codes(), ["header_mismatch"]);
    });

    test("an old message is refused as a replay", async (context) => {
      const { url, codes } = await start(context);
      const anHourAgo = Date.now() / 1000 - 3600;
      assert.equal((await post(url, signed({ timestamp: anHourAgo }))).status, 401);
      assert.deepEqual(codes(), ["timestamp_too_old"]);
    });

    test("an authentic body that is no envelope is answered with 400", async (context) => {
      const { url, codes } = await start(context);
      const body = Buffer.from("[]");
      const answer = await post(url, { body, headers: sender.sign(body) });
      assert.deepEqual([answer.status, answer.body], [400, { error: "Invalid webhook payload" }]);
      assert.deepEqual(codes(), ["invalid_payload"]);
    });

    for (const type of [
      "application/json",
      "application/cloudevents+json",
      "text/plain",
      "application/x-www-form-urlencoded",
    ]) {
      test(`the body is captured when its type is ${type}`, async (context) => {
        const { url, events } = await start(context);
        assert.equal((await post(url, signed(), { "Content-Type": type })).status, 200);
        assert.equal(events.length, 1);
      });
    }

    test("the body is captured when it has no type", async (context) => {
      const { url, events } = await start(context);
      const { body, headers } = signed();
      const { "Content-Type": _, ...untyped } = headers;
      assert.match(await raw(url, rawRequest({ body, headers: untyped })), /^HTTP\/1\.1 200 /);
      assert.equal(events.length, 1);
    });

    test("a chunked body is captured", async (context) => {
      const { url, events } = await start(context);
      const { body, headers } = signed();
      const stream = new ReadableStream({
        start(controller) {
          for (const byte of body) controller.enqueue(Uint8Array.of(byte));
          controller.close();
        },
      });
      const response = await fetch(`${url}/hooks`, { method: "POST", body: stream, headers, duplex: "half" });
      assert.equal(response.status, 200);
      assert.equal(events.length, 1);
    });

    test("a body that is not UTF-8 is verified as the bytes that it is", async (context) => {
      const { url, codes } = await start(context, { options: { profile: undefined, scheme: "x-webhook-signature" } });
      const body = Buffer.from([0x7b, 0xff, 0xfe, 0x7d]);
      const headers = new Webhook(SECRET, { scheme: "x-webhook-signature" }).sign(body);
      assert.equal((await post(url, { body, headers })).status, 200);
      assert.deepEqual(codes(), []);
    });

    test("a compressed body is verified as it was sent, and not as it was meant", async (context) => {
      const { url, events } = await start(context, { options: { profile: undefined, scheme: "x-webhook-signature" } });
      const body = gzipSync('{"type":"user.created"}');
      const headers = new Webhook(SECRET, { scheme: "x-webhook-signature" }).sign(body);
      assert.equal((await post(url, { body, headers }, { "Content-Encoding": "gzip" })).status, 200);
      assert.deepEqual(Buffer.from(events[0].body), body);
    });

    test("behind express.json() the answer says what to change, and does not hang", async (context) => {
      const { url, errors } = await start(context, { before: [express.json()] });
      const answer = await post(url, signed());
      assert.equal(answer.status, 500);
      assert.equal(errors[0].code, "body_consumed");
      assert.match(errors[0].message, /before express\.json\(\).*keepRawBody/s);
    });

    test("behind express.text() the body is refused as well: text has been decoded", async (context) => {
      const { url, codes } = await start(context, { before: [express.text({ type: () => true })] });
      assert.equal((await post(url, signed())).status, 500);
      assert.deepEqual(codes(), ["body_consumed"]);
    });

    test("behind express.json() that skipped the type, the stream is still there to be read", async (context) => {
      const { url, events } = await start(context, { before: [express.json()] });
      assert.equal((await post(url, signed(), { "Content-Type": "application/cloudevents+json" })).status, 200);
      assert.equal(events.length, 1);
    });

    test("behind express.raw() its bytes are used", async (context) => {
      const { url, events } = await start(context, { before: [express.raw({ type: () => true })] });
      assert.equal((await post(url, signed())).status, 200);
      assert.equal(events.length, 1);
    });

    test("behind express.json() that keeps the raw body, that is used", async (context) => {
      const { url, events } = await start(context, { before: [express.json({ verify: keepRawBody })] });
      assert.equal((await post(url, signed())).status, 200);
      assert.equal(events.length, 1);
    });

    test("a reader that took half of the stream is noticed", async (context) => {
      const greedy = (req, _res, next) => {
        req.once("data", () => {
          req.pause();
          next();
        });
      };
      const { url, codes } = await start(context, { before: [greedy] });
      assert.equal((await post(url, signed())).status, 500);
      assert.deepEqual(codes(), ["body_consumed"]);
    });

    test("a body over the limit is answered with 413 by its announced length", async (context) => {
      const { url, codes } = await start(context, { options: { limit: "1kb" } });
      const answer = await post(url, signed({ data: "x".repeat(2000) }));
      assert.deepEqual([answer.status, answer.body], [413, { error: "Payload too large" }]);
      assert.deepEqual(codes(), ["body_too_large"]);
    });

    test("a body over the limit is answered with 413 when nothing announced it", async (context) => {
      const { url, codes } = await start(context, { options: { limit: 1024 } });
      const { headers } = signed();
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      const chunk = `800\r\n${"x".repeat(2048)}\r\n`;
      const answer = await raw(
        url,
        `POST /hooks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n${lines.join("\r\n")}\r\n\r\n${chunk}`,
      );
      assert.match(answer, /^HTTP\/1\.1 413 /);
      assert.match(answer, /connection: close/i);
      assert.deepEqual(codes(), ["body_too_large"]);
    });

    test("an empty body is verified like any other", async (context) => {
      const { url, codes } = await start(context);
      const answer = await post(url, { body: undefined, headers: signed().headers });
      assert.equal(answer.status, 401);
      assert.deepEqual(codes(), ["signature_mismatch"]);
    });

    test("a sender that hangs up in the middle leaves nothing behind", async (context) => {
      let told;
      const refused = new Promise((resolve) => (told = resolve));
      const { url } = await start(context, { options: { onError: told } });
      const message = signed();
      const socket = net.connect(Number(new URL(url).port), "127.0.0.1");
      socket.write(rawRequest(message, [], { length: message.body.length + 10 }), "latin1");
      setImmediate(() => socket.end(() => socket.destroy()));
      assert.equal((await refused).code, "body_incomplete");
    });

    test("other methods are answered with 405", async (context) => {
      const app = express();
      app.use("/hooks", hookwright({ secret: SECRET, profile: "filedgr", onError: () => {} }));
      const url = await serve(context, app);
      const response = await fetch(`${url}/hooks`);
      assert.equal(response.status, 405);
      assert.equal(response.headers.get("allow"), "POST");
    });

    test("no secret, no start: the application does not come up with an endpoint that anyone could sign for", () => {
      for (const secret of [undefined, "", [], " padded ", 42]) {
        assert.throws(() => hookwright({ secret, profile: "filedgr" }), { name: "WebhookConfigurationError" });
      }
    });
  });
}
