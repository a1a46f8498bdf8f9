// Verifying beside the libraries that people use today, in one run on one machine.
//
//   node bench/verify.mjs                 everything
//   node bench/verify.mjs --rounds 9      more rounds; the median of each row is printed
//
// Figures are operations per second of CPU time of this process, so that a busy machine distorts them less. All of
// them verify a genuine message of their own format; those that parse as well cannot be told not to.

import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import { parseArgs } from "node:util";

import { verify as octokit } from "@octokit/webhooks-methods";
import { Webhook as StandardWebhooks } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as Svix } from "svix";

import { Webhook, engine } from "hookwright";
import { Webhook as EdgeWebhook } from "hookwright/edge";

import { endpointConfig } from "../dist/esm/endpoint.js";
import { NodeCryptoEndpoint } from "../dist/esm/interpreter/node-endpoint.js";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    only: { type: "string" },
    seconds: { type: "string", default: "0.25" },
  },
});
const SIZES = [256, 1024, 16 * 1024, 1024 * 1024];
const KEY = Buffer.alloc(32, 7);
const SECRET = `whsec_${KEY.toString("base64")}`;
const HEX_SECRET = "a secret of a reasonable length";
const stripe = new Stripe("sk_test_none");
const keyObject = createSecretKey(KEY);
const now = Math.floor(Date.now() / 1000);

/** JSON of about that many bytes. */
function body(size) {
  const empty = JSON.stringify({ type: "user.created", data: "" });
  return Buffer.from(JSON.stringify({ type: "user.created", data: "x".repeat(size - empty.length) }));
}

/** What a request brings beside the headers that matter. */
const OTHERS = {
  host: "example.com",
  "user-agent": "hookwright/0.1.0",
  accept: "*/*",
  "accept-encoding": "gzip",
  "content-type": "application/json",
  "content-length": "256",
  connection: "keep-alive",
};

function contestants(bytes) {
  const webhook = new Webhook(SECRET);
  const headers = { ...OTHERS, ...webhook.sign(bytes, { id: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", timestamp: now }) };
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature } = headers;
  const web = new Headers(headers);
  const fallback = new NodeCryptoEndpoint(endpointConfig(SECRET, {}));
  const edge = new EdgeWebhook(SECRET);
  const standard = new StandardWebhooks(SECRET);
  const svix = new Svix(SECRET);
  const svixHeaders = { "svix-id": id, "svix-timestamp": timestamp, "svix-signature": signature };
  const github = new Webhook(HEX_SECRET, { scheme: "github" });
  const githubHeaders = { ...OTHERS, "x-hub-signature-256": Object.values(github.sign(bytes))[0] };
  const text = bytes.toString();
  const stripeWebhook = new Webhook(SECRET, { scheme: "stripe" });
  const stripeSignature = stripeWebhook.sign(bytes, { timestamp: now })["Stripe-Signature"];
  const stripeHeaders = { ...OTHERS, "stripe-signature": stripeSignature };
  const filedgr = new Webhook(HEX_SECRET, { profile: "filedgr" });
  return {
    [`hookwright (${engine})`]: () => webhook.verify(bytes, headers),
    [`hookwright (${engine}), Headers object`]: () => webhook.verify(bytes, web),
    [`hookwright (${engine}), scheme github`]: () => github.verify(bytes, githubHeaders),
    [`hookwright (${engine}), scheme stripe`]: () => stripeWebhook.verify(bytes, stripeHeaders),
    [`hookwright (${engine}), profile filedgr, parsed envelope`]: envelope(filedgr, bytes.length),
    "hookwright (node:crypto fallback)": () => fallback.verify(bytes, headers, now),
    "hookwright (edge)": () => edge.verifyAsync(bytes, headers),
    "node:crypto by hand, cached KeyObject": () => byHand(bytes, headers),
    standardwebhooks: () => standard.verify(bytes, headers),
    svix: () => svix.verify(text, svixHeaders),
    "stripe, constructEvent": () => stripe.webhooks.constructEvent(bytes, stripeSignature, SECRET),
    "@octokit/webhooks-methods": () => octokit(HEX_SECRET, text, githubHeaders["x-hub-signature-256"]),
  };
}

function envelope(webhook, size) {
  const { body, headers } = webhook.signEvent({
    type: "vault.created",
    data: "x".repeat(Math.max(1, size - 130)),
    id: "evt_1",
  });
  const all = { ...OTHERS };
  for (const [name, value] of Object.entries(headers)) all[name.toLowerCase()] = value;
  return () => webhook.verify(body, all);
}

/** What a careful person writes without a library. */
function byHand(bytes, headers) {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature } = headers;
  if (!/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) throw new Error("too old");
  const expected = createHmac("sha256", keyObject).update(`${id}.${timestamp}.`).update(bytes).digest();
  const matches = signature.split(" ").some((item) => {
    const given = Buffer.from(item.slice(3), "base64");
    return item.startsWith("v1,") && given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!matches) throw new Error("no match");
}

async function rate(work, seconds) {
  const isAsync = work() instanceof Promise;
  const before = process.cpuUsage();
  const end = performance.now() + seconds * 1000;
  let count = 0;
  do {
    for (let n = 0; n < 64; n++) {
      if (isAsync) await work();
      else work();
    }
    count += 64;
  } while (performance.now() < end);
  const { user, system } = process.cpuUsage(before);
  return count / ((user + system) / 1e6);
}

const median = (numbers) => numbers.toSorted((left, right) => left - right)[numbers.length >> 1];

const rows = new Map();
for (const size of SIZES) {
  const all = Object.entries(contestants(body(size))).filter(([name]) => name.includes(options.only ?? ""));
  const rounds = new Map(all.map(([name]) => [name, []]));
  // Everyone once per round, so that a slow moment of the machine meets all of them.
  for (let round = 0; round <= Number(options.rounds); round++) {
    for (const [name, work] of all) {
      const measured = await rate(work, Number(options.seconds));
      if (round > 0) rounds.get(name).push(measured);
    }
  }
  for (const [name, measured] of rounds) rows.set(name, [...(rows.get(name) ?? []), median(measured)]);
}

console.log(`node ${process.version}, ${options.rounds} rounds, verifications per second of CPU time\n`);
console.log("| | 256 B | 1 KiB | 16 KiB | 1 MiB |\n| --- | --: | --: | --: | --: |");
for (const [name, figures] of rows) {
  console.log(`| ${name} | ${figures.map((figure) => Math.round(figure).toLocaleString("en")).join(" | ")} |`);
}
