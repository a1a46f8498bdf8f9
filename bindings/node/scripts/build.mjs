// Compiles src twice, to ES modules and to CommonJS, with types for both. The addon is built by `npm run build:native`.

import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");

rmSync(path.join(root, "dist"), { recursive: true, force: true });
for (const config of ["tsconfig.json", "tsconfig.cjs.json"]) {
  execFileSync(process.execPath, [tsc, "-p", path.join(root, config)], { stdio: "inherit" });
}
// What tells Node, and TypeScript, that these are CommonJS; the package itself says that the others are not.
writeFileSync(path.join(root, "dist/cjs/package.json"), '{ "type": "commonjs", "sideEffects": false }\n');
// `#webhook` is native code or the edge, as the package's conditions say; what asks for CommonJS is never the edge.
for (const name of ["hono", "web"]) {
  for (const file of [`dist/cjs/${name}.js`, `dist/cjs/${name}.d.ts`].map((file) => path.join(root, file))) {
    writeFileSync(file, readFileSync(file, "utf8").replaceAll('"#webhook"', '"./webhook.js"'));
  }
}
// Both trees ask for `../../binding` from the folder below them, as the sources do.
mkdirSync(path.join(root, "dist/binding"));
writeFileSync(path.join(root, "dist/binding/load.cjs"), 'module.exports = require("../../binding/load.cjs");\n');
