// What the Express middleware costs per request, beside a bare route and one that reads the body.
//
//   node bench/middleware.mjs [--requests 20000]
//
// Each server is a process of its own; the figure is its CPU time per request, the median of the rounds.

import { fork } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { Webhook } from "hookwright";

const SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";

/** What is compared, by name. */
const ROUTES = {
  "bare route, body unread": (app) =>
    app.post("/", (req, res) => void req.resume().on("end", () => res.json({ received: true }))),
  "express.raw()": (app, { express }) =>
    app.post("/", express.raw({ type: () => true }), (_req, res) => res.json({ received: true })),
  "hookwright, Standard Webhooks": (app, { hookwright }) =>
    app.post(
      "/",
      hookwright({ secret: SECRET }).otherwise(() => {}),
    ),
  "hookwright, profile filedgr": (app, { hookwright }) =>
    app.post(
      "/",
      hookwright({ secret: SECRET, profile: "filedgr" }).otherwise(() => {}),
    ),
};

if (process.send !== undefined) await serve(process.argv[2]);
else await measure();

async function serve(name) {
  const express = createRequire(import.meta.url)("express");
  const { hookwright } = await import("hookwright/express");
  const app = express();
  ROUTES[name](app, { express, hookwright });
  const server = app.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
  process.on("message", () => process.send({ cpu: process.cpuUsage() }));
}

async function measure() {
  const { values } = parseArgs({
    options: { requests: { type: "string", default: "8000" }, rounds: { type: "string", default: "5" } },
  });
  const { body, headers } = new Webhook(SECRET, { profile: "filedgr" }).signEvent({
    type: "vault.created",
    data: { text: "x".repeat(800) },
  });
  console.log(`node ${process.version}, Express 5, ${body.length} bytes, microseconds of CPU time per request\n`);
  console.log("| route | µs |\n| --- | --: |");
  for (const name of Object.keys(ROUTES)) {
    const server = fork(fileURLToPath(import.meta.url), [name]);
    const [{ port }] = await once(server, "message");
    const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
    const cpu = async () => {
      server.send("cpu");
      const [
        {
          cpu: { user, system },
        },
      ] = await once(server, "message");
      return user + system;
    };
    const figures = [];
    for (let round = 0; round <= Number(values.rounds); round++) {
      const before = await cpu();
      await load({ port, agent, body, headers, requests: Number(values.requests) });
      if (round > 0) figures.push(((await cpu()) - before) / Number(values.requests));
    }
    console.log(`| ${name} | ${figures.toSorted((a, b) => a - b)[figures.length >> 1].toFixed(1)} |`);
    agent.destroy();
    server.kill();
  }
}

async function load({ port, agent, body, headers, requests }) {
  let left = requests;
  const one = () =>
    new Promise((resolve, reject) => {
      const request = http.request(
        { port, agent, method: "POST", headers: { ...headers, "Content-Length": body.length } },
        (response) => {
          response
            .resume()
            .on("end", () =>
              response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`)),
            );
        },
      );
      request.on("error", reject).end(body);
    });
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (left-- > 0) await one();
    }),
  );
}
