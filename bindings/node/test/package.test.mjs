// The package as users get it: packed, installed into an empty project, and used as an ES module, as CommonJS and from
// TypeScript. What fails here fails on `npm install hookwright`.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => path.join(root, "node_modules/.bin", name);
const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");

function run(command, args, options = {}) {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], cwd: root, ...options });
  } catch (error) {
    throw new Error(`${command} ${args.join(" ")}\n${error.stdout}\n${error.stderr}`, { cause: error });
  }
}

function pack(folder, into) {
  const [{ filename }] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", into], { cwd: folder }));
  return path.join(into, filename);
}

async function freePort() {
  const server = createServer().listen(0);
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until somebody listens, as a person would who starts the one and then the other. */
async function listening(port) {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isUp = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isUp) return;
  }
}

const TYPESCRIPT = {
  compilerOptions: {
    target: "ES2022",
    lib: ["ES2023"],
    module: "NodeNext",
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    // Neither @types/node nor the web's types: the package's own have to do.
    types: [],
    skipLibCheck: false,
  },
};

describe("the packed package", () => {
  let folder;
  let tarballs;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "hookwright-package-"));
    // What the release does: a package per platform, with the addon in it, beside the one that everybody installs.
    run(bin("napi"), ["create-npm-dirs"]);
    const addon = readdirSync(path.join(root, "binding")).find((name) => name.endsWith(".node"));
    assert.ok(addon, "npm run build:native comes first");
    const platform = path.join(folder, "platform");
    cpSync(path.join(root, "npm", addon.split(".")[1]), platform, { recursive: true });
    cpSync(path.join(root, "binding", addon), path.join(platform, addon));
    tarballs = { main: pack(root, folder), native: pack(platform, folder) };
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  /** An empty project with these packages in it. */
  function project(name, { type = "module", tarball = [tarballs.main, tarballs.native] } = {}) {
    const where = path.join(folder, name);
    mkdirSync(where);
    writeFileSync(path.join(where, "package.json"), JSON.stringify({ name, private: true, type }));
    run(
      "npm",
      ["install", "--no-audit", "--no-fund", "--offline", "--legacy-peer-deps", "--ignore-scripts", ...tarball],
      { cwd: where },
    );
    return where;
  }

  const SCRIPT = `
    const webhook = new Webhook("whsec_AAECAwQFBgcICQoLDA0ODxAREhM=", { profile: "filedgr" });
    const { body, headers } = webhook.signEvent({ type: "vault.created", data: { vaultId: "vault_1" } });
    console.log(engine, webhook.verify(body, headers).data.vaultId, typeof express, typeof Edge);`;

  test("runs as an ES module", () => {
    const where = project("esm");
    writeFileSync(
      path.join(where, "main.js"),
      `import { Webhook, engine } from "hookwright"; import { hookwright as express } from "hookwright/express";
       import { Webhook as Edge } from "hookwright/edge"; ${SCRIPT}`,
    );
    assert.equal(run(process.execPath, ["main.js"], { cwd: where }), "native vault_1 function function\n");
  });

  test("brings the generator of types", () => {
    const where = project("typegen");
    assert.match(run(path.join(where, "node_modules/.bin/hookwright-typegen"), ["--help"], { cwd: where }), /^Usage: /);
  });

  test("runs as CommonJS", () => {
    const where = project("cjs", { type: "commonjs" });
    writeFileSync(
      path.join(where, "main.js"),
      `const { Webhook, engine } = require("hookwright"); const { hookwright: express } = require("hookwright/express");
       const { Webhook: Edge } = require("hookwright/edge"); ${SCRIPT}`,
    );
    assert.equal(run(process.execPath, ["main.js"], { cwd: where }), "native vault_1 function function\n");
  });

  test("runs where no binary fits, and says so", () => {
    const where = project("fallback", { tarball: [tarballs.main] });
    writeFileSync(
      path.join(where, "main.js"),
      `import { Webhook, engine } from "hookwright"; const express = 0; const Edge = 0;
       process.on("warning", ({ code }) => console.log(code)); ${SCRIPT}`,
    );
    assert.equal(
      run(process.execPath, ["--no-warnings=x", "main.js"].slice(1), { cwd: where }),
      "node:crypto vault_1 number number\nHOOKWRIGHT_NO_BINARY\n",
    );
  });

  for (const condition of ["workerd", "edge-light", "worker", "browser", "deno"]) {
    test(`is the edge's under the condition ${condition}`, () => {
      const where = path.join(folder, `edge-${condition}`);
      cpSync(project(`for-${condition}`), where, { recursive: true });
      writeFileSync(
        path.join(where, "main.js"),
        `import { Webhook, engine } from "hookwright"; import { hookwright } from "hookwright/hono";
         import { hookwright as web } from "hookwright/web";
         const secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhM=";
         const { body, headers } = await new Webhook(secret, { profile: "generic" }).signEventAsync({ type: "a.b", data: 1 });
         const answer = await web({ secret, profile: "generic" })(new Request("https://x/", { method: "POST", body, headers }));
         console.log(engine, answer.status, typeof hookwright);`,
      );
      assert.equal(run(process.execPath, ["-C", condition, "main.js"], { cwd: where }), "webcrypto 200 function\n");
    });
  }

  test("has types that need neither @types/node nor the web's, and stay strict", () => {
    const where = project("types");
    for (const file of readdirSync(path.join(root, "test/types"))) {
      cpSync(path.join(root, "test/types", file), path.join(where, file));
    }
    writeFileSync(
      path.join(where, "tsconfig.json"),
      JSON.stringify({ ...TYPESCRIPT, include: ["bare.ts", "bare.cts"] }),
    );
    run(process.execPath, [tsc, "-p", "."], { cwd: where });
  });

  test("has types that fit those of the frameworks", () => {
    // Inside the package's own folder, where the frameworks are installed; `hookwright` is the package itself.
    const config = path.join(root, "test/types/tsconfig.frameworks.json");
    run(process.execPath, [tsc, "-p", config]);
  });

  test("has examples that its types accept", () => {
    // Those that say `@ts-check`, which is every one that is a receiver.
    for (const file of readdirSync(path.join(root, "examples")).filter((name) => name.endsWith(".mjs"))) {
      const isChecked = readFileSync(path.join(root, "examples", file), "utf8").includes("// @ts-check");
      assert.equal(isChecked, file !== "database.mjs", file);
    }
    run(process.execPath, [tsc, "-p", path.join(root, "test/types/tsconfig.examples.json")]);
  });

  test("the guide's quick start works when it is typed in as it stands", async (context) => {
    const guide = readFileSync(path.join(root, "../../docs/receiving-node.md"), "utf8");
    const [, server, tryIt] = guide.split(/^```(?:js|sh)?$/m).filter((_, at) => at % 2 === 1);
    assert.ok(server.trim().split("\n").length < 10, "under ten lines");
    // Express is the one that the package is tested with.
    const where = project("guide");
    symlinkSync(path.join(root, "node_modules/express"), path.join(where, "node_modules/express"));
    const port = await freePort();
    writeFileSync(path.join(where, "server.mjs"), server.replace("3000", port));
    writeFileSync(path.join(where, "try.mjs"), tryIt.replace("3000", port));
    const env = { ...process.env, WEBHOOK_SECRET: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" };
    const child = spawn(process.execPath, ["server.mjs"], { cwd: where, env, stdio: ["ignore", "pipe", "inherit"] });
    context.after(() => child.kill());
    const printed = once(child.stdout, "data");
    await listening(port);
    assert.equal(run(process.execPath, ["try.mjs"], { cwd: where, env }), "200\n");
    assert.equal(String((await printed)[0]), "vault_xyz789\n");
  });

  test("needs nothing to be installed beside it, and carries no binary and no tests", () => {
    const { dependencies = {}, scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
    assert.deepEqual(dependencies, {});
    assert.equal(scripts.install ?? scripts.postinstall ?? scripts.preinstall, undefined);
    for (const name of ["LICENSE-APACHE", "LICENSE-MIT"]) {
      assert.equal(readFileSync(path.join(root, name), "utf8"), readFileSync(path.join(root, "../..", name), "utf8"));
    }
    const files = run("tar", ["-tzf", tarballs.main]).trim().split("\n");
    for (const needed of ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "typegen/cli.mjs", "dist/esm/edge.js"]) {
      assert.ok(files.includes(`package/${needed}`), needed);
    }
    assert.deepEqual(
      files.filter((file) => /\.node$|\/test\/|\.rs$|\.ts$(?<!\.d\.ts)/.test(file)),
      [],
    );
  });

  test("the edge's code is small, and asks for nothing of Node", () => {
    const seen = new Set();
    const visit = (file) => {
      if (seen.has(file)) return;
      seen.add(file);
      const source = readFileSync(file, "utf8");
      for (const [, specifier] of source.matchAll(/^(?:import|export)\b[^"=]*\bfrom "([^"]+)";$/gm)) {
        assert.match(specifier, /^\.\.?\//, `${path.basename(file)} imports ${specifier}`);
        visit(path.resolve(path.dirname(file), specifier));
      }
    };
    visit(path.join(root, "dist/esm/edge.js"));
    const code = [...seen].map((file) => readFileSync(file, "utf8").replace(/\/\*[^]*?\*\/|^\s*\/\/.*$|^\s+/gm, ""));
    const bytes = gzipSync(code.join("")).length;
    assert.ok(bytes < 20 * 1024, `${bytes} bytes, compressed`);
  });

  test("publint and attw find nothing", () => {
    run(bin("publint"), ["--strict"]);
    run(bin("attw"), [tarballs.main, "--profile", "node16"]);
  });
});
