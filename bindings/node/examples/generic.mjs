// Webhooks with X-Webhook-Signature in Hono. `app.fetch` is what Workers, Deno and Bun serve; here it is Node.
// @ts-check

import { createServer } from "node:http";

import { Hono } from "hono";
import { hookwright } from "hookwright/hono";

const app = new Hono();
app.post(
  "/webhooks",
  hookwright({ secret: process.env.WEBHOOK_SECRET, profile: "generic" }).on("user.created", (event) => {
    console.log(`welcome, ${event.data.name}`);
  }),
);

export default app;

export const server = createServer(async (req, res) => {
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers)) headers.set(name, String(value));
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const request = new Request(`http://${req.headers.host}${req.url}`, {
    method: req.method ?? "GET",
    headers,
    ...(req.method === "POST" && { body: new Uint8Array(Buffer.concat(chunks)) }),
  });
  const response = await app.fetch(request);
  res.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text());
}).listen(process.env.PORT ?? 3000);
