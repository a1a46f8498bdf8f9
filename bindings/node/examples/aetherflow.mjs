// AetherFlow's webhooks with Fastify.
// @ts-check

import Fastify from "fastify";
import { MemoryDedupeStore } from "hookwright/dedupe";
import { hookwright } from "hookwright/fastify";

const app = Fastify();
await app.register(
  hookwright({
    path: "/webhooks",
    secret: process.env.WEBHOOK_SECRET,
    profile: "aetherflow",
    dedupe: { store: new MemoryDedupeStore() },
  })
    .on("workflow.failed", (event) => console.log(`${event.data.workflow.id} failed`))
    .otherwise((event) => console.log(`${event.type} ${event.id}`)),
);
await app.listen({ port: Number(process.env.PORT ?? 3000) });

export const { server } = app;
