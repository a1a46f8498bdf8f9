// The examples, with what the platforms send. An example that does not run costs its reader an evening.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { eventTypes, signedRequest } from "hookwright/testing";

const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../examples");
const WEBHOOK_SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";
const OTHER_SECRET = "whsec_FBUWFxgZGhscHR4fICEiIyQlJic=";

/** Starts an example on a free port, and says which. */
async function start(context, name) {
  const code = `const { server } = await import(${JSON.stringify(path.join(folder, `${name}.mjs`))});
    if (!server.listening) await new Promise((resolve) => server.once("listening", resolve));
    process.send(server.address().port);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    env: { ...process.env, WEBHOOK_SECRET, PORT: "0" },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  context.after(() => child.kill());
  const [port] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => assert.fail(`the example ended:\n${output}`)),
  ]);
  return { url: `http://localhost:${port}/webhooks`, output: () => output };
}

describe("examples", () => {
  for (const profile of ["filedgr", "digivault", "aetherflow", "contractai", "generic"]) {
    test(`${profile}: every documented event is accepted, and a forged one is not`, async (context) => {
      const { url, output } = await start(context, profile);
      for (const type of eventTypes(profile)) {
        const response = await fetch(url, signedRequest({ secret: WEBHOOK_SECRET, profile }, { type }));
        assert.equal(response.status, 200, `${type}\n${output()}`);
      }
      const forged = signedRequest({ secret: OTHER_SECRET, profile }, { type: eventTypes(profile)[0] });
      assert.equal((await fetch(url, forged)).status, 401);
    });
  }
});
