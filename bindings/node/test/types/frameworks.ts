// The adapters against the frameworks' own types. Compiled and not run.

import { createServer } from "node:http";

import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { createClient } from "redis";
import pg from "pg";
import request from "supertest";

import { RedisDedupeStore, SqlDedupeStore } from "hookwright/dedupe";
import { hookwright, keepRawBody } from "hookwright/express";
import { hookwright as fastifyReceiver } from "hookwright/fastify";
import { hookwright as honoReceiver } from "hookwright/hono";
import { hookwright as koaReceiver } from "hookwright/koa";
import { hookwright as nextReceiver } from "hookwright/next";
import { hookwright as nodeReceiver } from "hookwright/node";
import { SqlQueueStore, WebhookQueue } from "hookwright/queue";
import { deliver, signedRequest } from "hookwright/testing";
import { schemaValidator } from "hookwright/validation";

const secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";
const pool = new pg.Pool();
const queue = new WebhookQueue({ store: new SqlQueueStore(pool), work: () => {} });

const app = express();
app.post(
  "/filedgr",
  hookwright({
    secret,
    profile: "filedgr",
    validate: schemaValidator("filedgr"),
    dedupe: { store: new SqlDedupeStore(pool) },
    onError: (error, req) => console.warn(error.message, req.ip),
  })
    .on("vault.created", (event, { req, res }) => {
      res.setHeader("x-vault", event.data.vaultId);
      return req.headers;
    })
    .otherwise(queue.enqueue),
);
app.post("/github", hookwright({ secret, scheme: "github" }), (req, res) => {
  res.json({ id: req.webhook?.id });
});
app.use(express.json({ verify: keepRawBody }));
void deliver(
  request(app).post("/filedgr"),
  signedRequest({ secret, profile: "filedgr" }, { type: "vault.created" }),
).expect(200);

const koa = new Koa();
koa.use(koaReceiver({ secret, profile: "generic", dedupe: { store: new RedisDedupeStore(createClient()) } }));

const fastify = Fastify();
await fastify.register(fastifyReceiver({ path: "/hooks", secret, profile: "generic" }).on("user.created", () => {}));

const hono = new Hono();
hono.post(
  "/hooks",
  honoReceiver({ secret, profile: "generic" }).on("user.*", () => {}),
);
hono.post("/other", honoReceiver({ secret, scheme: "stripe" }), (c) => c.text("ok"));

createServer(nodeReceiver({ secret, profile: "contractai" }).on("agent.created", (event) => event.data));

export const POST: (request: Request) => Promise<Response> = nextReceiver({ secret, scheme: "slack", handshake: true });
