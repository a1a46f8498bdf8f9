// The commands with which a platform's guide has its reader try an endpoint by hand, run against real Express apps. Their
// signature is none. Receivers written as the guides have it end with a 500 there, and a platform would send again.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import { describe, test } from "node:test";
import { promisify } from "node:util";

import express from "express";
import { hookwright } from "hookwright/express";
import { signedRequest } from "hookwright/testing";

const guides = new URL("../../../tests/e2e/seed_documents/guides/", import.meta.url);
const secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";
/** Where a guide has its reader's endpoint, and what its platform sends there. */
const endpoints = {
  filedgr: ["https://yourapp.com/webhooks/filedgr", "vault.created"],
  generic: ["http://localhost:3000/webhook", "user.created"],
  aetherflow: ["http://your-endpoint.com/webhook", "workflow.completed"],
};

async function commandOf(profile) {
  const guide = await readFile(new URL(`${profile}.md`, guides), "utf8");
  const section = guide.slice(guide.indexOf("## Trying the endpoint by hand"));
  const [, command] = section.match(/```bash\n(.*?)```/s);
  assert.match(command, /curl /);
  return command;
}

/** Serves an endpoint of a platform on a real port, and says where and what it got. */
async function serve(context, profile) {
  const received = [];
  const app = express();
  app.post(
    "/webhook",
    hookwright({ secret, profile }).otherwise((event) => void received.push(event.type)),
  );
  const server = app.listen(0, "127.0.0.1");
  context.after(() => server.close());
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}/webhook`, received };
}

describe("by hand", () => {
  // A command that is added would be run by nobody.
  test("every guide with such a command is tried", async () => {
    const found = [];
    for (const name of await readdir(guides)) {
      const text = await readFile(new URL(name, guides), "utf8");
      if (text.includes("by hand")) found.push(name.replace(/\.md$/, ""));
    }
    assert.deepEqual(found.sort(), Object.keys(endpoints).sort());
  });

  for (const [profile, [documented, type]] of Object.entries(endpoints)) {
    // Whoever tries their endpoint would be told that it is broken, or that anybody may call it.
    test(`${profile}: the command of the guide is refused with a reason`, async (context) => {
      const { url, received } = await serve(context, profile);
      const command = await commandOf(profile);
      assert.ok(command.includes(documented));
      const here = command
        .replace(documented, url)
        .replace("curl ", String.raw`curl --silent --show-error --write-out '\n%{http_code}' `);
      const { stdout } = await promisify(execFile)("bash", ["-c", here], { timeout: 30_000 });
      const cut = stdout.lastIndexOf("\n");
      assert.equal(stdout.slice(cut + 1), "401", stdout);
      assert.ok(JSON.parse(stdout.slice(0, cut)).error);
      assert.deepEqual(received, []);

      // An endpoint that refuses everything would have passed so far.
      const response = await fetch(url, signedRequest({ secret, profile }, { type }));
      assert.equal(response.status, 200);
      assert.deepEqual(received, [type]);
    });
  }
});
