// Every framework's adapter against the same list of requests, on real servers. What an adapter gets wrong, its users
// lose as events.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, test } from "node:test";

import Fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";

import { Webhook } from "hookwright";
import { hookwright as expressReceiver } from "hookwright/express";
import { hookwright as fastifyReceiver } from "hookwright/fastify";
import { hookwright as honoReceiver } from "hookwright/hono";
import { hookwright as koaReceiver } from "hookwright/koa";
import { hookwright as nextReceiver } from "hookwright/next";
import { hookwright as nodeReceiver } from "hookwright/node";
import { MemoryDedupeStore } from "hookwright/dedupe";
import { signedRequest } from "hookwright/testing";
import { hookwright as webReceiver } from "hookwright/web";
import { createRequire } from "node:module";

const express = createRequire(import.meta.url)("express");
const SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";
const PROFILE = "generic";

function signed(event = {}) {
  return signedRequest({ secret: SECRET, profile: PROFILE }, { type: "user.created", id: "evt_1", ...event });
}

async function listening(context, server) {
  await once(server.listen(0, "127.0.0.1"), "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** A function from Request to Response behind a real server, as Workers and Next.js have one. */
function fetchServer(handler) {
  return createServer(async (req, res) => {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    const request = new Request(`http://localhost${req.url}`, {
      method: req.method,
      headers: Object.entries(req.headers),
      ...(req.method === "GET" ? {} : { body: Buffer.concat(chunks) }),
    });
    const response = await handler(request);
    res.writeHead(response.status, Object.fromEntries(response.headers));
    res.end(Buffer.from(await response.arrayBuffer()));
  });
}

/** For each framework: starts an application with the endpoint at /hooks and answers with its URL. */
const FRAMEWORKS = {
  async express(context, options, handle) {
    const app = express();
    app.all("/hooks", expressReceiver(options).otherwise(handle));
    return listening(context, createServer(app));
  },
  async node(context, options, handle) {
    return listening(context, createServer(nodeReceiver(options).otherwise(handle)));
  },
  async koa(context, options, handle) {
    const app = new Koa();
    app.use(koaReceiver(options).otherwise(handle));
    return listening(context, createServer(app.callback()));
  },
  async fastify(context, options, handle) {
    const app = Fastify();
    await app.register(fastifyReceiver({ ...options, path: "/hooks" }).otherwise(handle));
    await app.listen({ port: 0, host: "127.0.0.1" });
    context.after(() => app.close());
    return `http://127.0.0.1:${app.server.address().port}`;
  },
  async hono(context, options, handle) {
    const app = new Hono();
    app.all("/hooks", honoReceiver(options).otherwise(handle));
    return listening(
      context,
      fetchServer((request) => app.fetch(request)),
    );
  },
  async web(context, options, handle) {
    return listening(context, fetchServer(webReceiver(options).otherwise(handle)));
  },
  async next(context, options, handle) {
    const { POST } = { POST: nextReceiver(options).otherwise(handle) };
    return listening(
      context,
      fetchServer((request) => POST(request, { params: Promise.resolve({}) })),
    );
  },
};

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  describe(name, () => {
    async function serve(context, options = {}, handle) {
      const events = [];
      const codes = [];
      const all = {
        secret: SECRET,
        profile: PROFILE,
        onError: (error) => codes.push(error.code ?? error.message),
        ...options,
      };
      const url = await start(context, all, handle ?? ((event) => void events.push(event)));
      const post = async ({ body, headers }, change) => {
        const response = await fetch(`${url}/hooks`, { method: "POST", body, headers: { ...headers, ...change } });
        return [response.status, await response.json()];
      };
      return { url: `${url}/hooks`, events, codes, post };
    }

    test("a genuine webhook is handled and acknowledged", async (context) => {
      const { events, post } = await serve(context);
      assert.deepEqual(await post(signed()), [200, { received: true }]);
      assert.equal(events[0].type, "user.created");
      assert.equal(events[0].id, "evt_1");
    });

    test("requests that are not genuine are refused, each with the documented answer", async (context) => {
      const { events, codes, post } = await serve(context, { limit: 4096 });
      const { body, headers } = signed();
      const unsigned = Object.fromEntries(Object.entries(headers).filter(([key]) => !/signature|webhook-/i.test(key)));
      assert.deepEqual(await post({ body, headers: unsigned }), [401, { error: "Missing signature header" }]);
      assert.deepEqual(await post({ body: `${Buffer.from(body)} `, headers }), [401, { error: "Invalid signature" }]);
      assert.deepEqual(await post({ body, headers }, { "X-Webhook-Signature": "short" }), [
        401,
        { error: "Invalid signature" },
      ]);
      assert.deepEqual(await post(signed({ timestamp: 1_705_314_600 })), [401, { error: "Invalid signature" }]);
      assert.deepEqual(await post(signed({ data: "x".repeat(5000) })), [413, { error: "Payload too large" }]);
      assert.deepEqual(codes, [
        "missing_header",
        "signature_mismatch",
        "malformed_signature",
        "timestamp_too_old",
        "body_too_large",
      ]);
      assert.equal(events.length, 0);
    });

    for (const type of [
      "application/json",
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/octet-stream",
    ]) {
      test(`a body of type ${type} is captured`, async (context) => {
        const { post } = await serve(context);
        assert.deepEqual(await post(signed(), { "Content-Type": type }), [200, { received: true }]);
      });
    }

    test("a handler that fails is answered with 500", async (context) => {
      const { codes, post } = await serve(context, {}, async () => {
        throw new Error("the database is away");
      });
      assert.deepEqual(await post(signed()), [500, { error: "Internal error" }]);
      assert.deepEqual(codes, ["the database is away"]);
    });

    test("a repeated event is handled once", async (context) => {
      const { events, post } = await serve(context, { dedupe: { store: new MemoryDedupeStore() } });
      assert.deepEqual(await post(signed()), [200, { received: true }]);
      assert.deepEqual(await post(signed()), [200, { received: true, duplicate: true }]);
      assert.equal(events.length, 1);
    });

    test("invalid data is answered with what is wrong with it", async (context) => {
      const validate = () => [{ path: "/email", message: "must be a string" }];
      const { post } = await serve(context, { validate });
      assert.deepEqual(await post(signed()), [
        400,
        { error: "Invalid webhook payload", details: [{ path: "/email", message: "must be a string" }] },
      ]);
    });

    test("a platform that checks the endpoint gets its answer, and only when it may", async (context) => {
      const options = {
        secret: "the app secret of Meta",
        profile: undefined,
        scheme: "meta",
        handshake: { verifyToken: "chosen" },
      };
      const { url, codes } = await serve(context, options);
      const asked = (token) => fetch(`${url}?hub.mode=subscribe&hub.verify_token=${token}&hub.challenge=1158201444`);
      const answered = await asked("chosen");
      assert.deepEqual([answered.status, await answered.text()], [200, "1158201444"]);
      assert.equal((await asked("guessed")).status, 403);
      assert.deepEqual(codes, ["handshake refused: wrong_verify_token"]);
    });
  });
}

describe("handshakes", () => {
  const secret = "the signing secret of some length";

  async function endpoint(context, options) {
    const handled = [];
    const receiver = nodeReceiver({ secret, onError: () => {}, ...options }).otherwise(
      (event) => void handled.push(event),
    );
    const url = await listening(context, createServer(receiver));
    const ask = async (body, scheme = options.scheme, signer = secret) => {
      const headers = new Webhook(signer, { scheme }).sign(body);
      const response = await fetch(url, { method: "POST", body, headers });
      return [response.status, await response.text()];
    };
    return { url, ask, handled };
  }

  test("Slack's challenge is answered when Slack signed it, and only then", async (context) => {
    const { ask, handled } = await endpoint(context, { scheme: "slack" });
    const question = JSON.stringify({
      type: "url_verification",
      challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
    });
    assert.deepEqual(await ask(question), [200, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"]);
    assert.equal((await ask(question, "slack", "somebody else's secret"))[0], 401);
    assert.deepEqual(await ask(JSON.stringify({ type: "event_callback" })), [200, '{"received":true}']);
    assert.equal(handled.length, 1);
  });

  test("Discord's PING is answered, and its deliberately wrong signatures are refused with 401", async (context) => {
    const pair =
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const { ask } = await endpoint(context, { scheme: "discord", secret: pair.slice(64) });
    assert.deepEqual(await ask('{"type":1}', "discord", pair), [200, '{"type":1}']);
    const other =
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    assert.equal((await ask('{"type":1}', "discord", other))[0], 401);
  });

  test("who wants to answer by hand can", async (context) => {
    const { ask, handled } = await endpoint(context, { scheme: "slack", handshake: false });
    await ask(JSON.stringify({ type: "url_verification", challenge: "abc" }));
    assert.equal(handled.length, 1);
  });
});

describe("what only some adapters can do", () => {
  for (const name of ["express", "node", "koa", "fastify"]) {
    test(`${name} lets in only the addresses that are listed`, async (context) => {
      const answers = [];
      for (const allow of [["192.0.2.0/24"], ["127.0.0.0/8", "::1"]]) {
        const url = await FRAMEWORKS[name](
          context,
          { secret: SECRET, profile: PROFILE, allow, onError: () => {} },
          () => {},
        );
        answers.push((await fetch(`${url}/hooks`, signed())).status);
      }
      assert.deepEqual(answers, [403, 200]);
    });
  }

  test("a store that fails after the work is reported, and does not have the work done again", async (context) => {
    const store = new MemoryDedupeStore();
    store.complete = async () => {
      throw new Error("connection reset");
    };
    for (const [name, start] of Object.entries(FRAMEWORKS)) {
      const codes = [];
      const onError = ({ message }) => codes.push(message);
      const url = await start(context, { secret: SECRET, profile: PROFILE, dedupe: { store }, onError }, () => {});
      assert.equal((await fetch(`${url}/hooks`, signed({ id: `evt_${name}` }))).status, 200, name);
      assert.deepEqual(codes, ["connection reset"], name);
    }
  });

  test("a range that is none stops the program when it starts", () => {
    for (const range of ["localhost", "10.0.0.0/33", "::/129", "10.0.0.0/-1", ""]) {
      assert.throws(() => nodeReceiver({ secret: SECRET, allow: [range] }), { code: "invalid_option" }, range);
    }
  });

  test("Koa's state, Hono's variables: without handlers the event goes to what is behind", async (context) => {
    const koa = new Koa();
    koa.use(koaReceiver({ secret: SECRET, profile: PROFILE }));
    koa.use((ctx) => {
      ctx.body = ctx.state.webhook.type;
    });
    const hono = new Hono();
    hono.post("/hooks", honoReceiver({ secret: SECRET, profile: PROFILE }), (c) => c.text(c.get("webhook").type));
    for (const server of [createServer(koa.callback()), fetchServer((request) => hono.fetch(request))]) {
      const url = await listening(context, server);
      assert.equal(await (await fetch(`${url}/hooks`, signed())).text(), "user.created");
    }
  });

  test("a web request whose body was read is refused with what to do", async () => {
    const errors = [];
    const handler = webReceiver({ secret: SECRET, profile: PROFILE, onError: (error) => errors.push(error) });
    const request = new Request("http://localhost/hooks", signed());
    await request.json();
    assert.equal((await handler(request)).status, 500);
    assert.equal(errors[0].code, "body_consumed");
    assert.match(errors[0].message, /hand the request over first/);
  });

  test("Koa behind a body parser says what to do", async (context) => {
    const codes = [];
    const app = new Koa();
    app.use(async (ctx, next) => {
      let text = "";
      for await (const chunk of ctx.req) text += chunk;
      ctx.request.rawBody = text;
      ctx.request.body = JSON.parse(text);
      await next();
    });
    app.use(koaReceiver({ secret: SECRET, profile: PROFILE, onError: ({ code }) => codes.push(code) }));
    const url = await listening(context, createServer(app.callback()));
    assert.equal((await fetch(`${url}/hooks`, signed())).status, 500);
    assert.deepEqual(codes, ["body_consumed"]);
  });

  test("the rest of a Fastify application keeps its parsers", async (context) => {
    const app = Fastify();
    await app.register(fastifyReceiver({ secret: SECRET, profile: PROFILE, path: "/hooks" }));
    app.post("/json", async (request) => ({ got: request.body.x }));
    context.after(() => app.close());
    const answer = await app.inject({ method: "POST", url: "/json", payload: { x: 1 } });
    assert.deepEqual(answer.json(), { got: 1 });
  });

  test("a scheme that signs the URL is told the one that the sender knows", async (context) => {
    const secret = "the webhook signature key of Square";
    const url = "https://example.com/hooks";
    const message = signedRequest({ secret, scheme: "square" }, { type: "payment.created", url });
    const server = createServer(nodeReceiver({ secret, scheme: "square", url, onError: () => {} }).otherwise(() => {}));
    assert.equal((await fetch(await listening(context, server), message)).status, 200);
  });
});
