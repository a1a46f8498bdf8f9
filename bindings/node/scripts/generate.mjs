// Writes src/generated from the core's own data files, so that nothing about a platform is typed twice.
//
//   node scripts/generate.mjs            writes
//   node scripts/generate.mjs --check    fails when what is there is not what would be written

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { parse } from "smol-toml";

import { eventsInterface, pascal } from "../typegen/schema-types.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const core = path.resolve(here, "../../../crates/core");
const out = path.resolve(here, "../src/generated");

const NOTE = "// Generated from crates/core by scripts/generate.mjs. Do not edit.\n\n";

function descriptions(folder) {
  return readdirSync(path.join(core, folder))
    .filter((name) => name.endsWith(".toml"))
    .sort()
    .map((name) => parse(readFileSync(path.join(core, folder, name), "utf8")));
}

/** The codes, in the order in which `ErrorKind::code` lists them. */
function codes() {
  const source = readFileSync(path.join(core, "src/error.rs"), "utf8");
  const body = /const fn code\(self\) -> &'static str \{\s*match self \{(.*?)\n\s{8}\}/s.exec(source)?.[1];
  const found = [...(body ?? "").matchAll(/Self::\w+ => "([a-z_]+)"/g)].map(([, code]) => code);
  if (found.length < 10) throw new Error("the codes in crates/core/src/error.rs are written differently now");
  return found;
}

function union(name, doc, values) {
  return `/** ${doc} */\nexport type ${name} =\n${values.map((value) => `  | ${JSON.stringify(value)}`).join("\n")};\n`;
}

function literal(value) {
  return JSON.stringify(value, null, 2);
}

/** What verifying by a scheme needs; titles and links stay with the documentation. */
function slimScheme({ title, reference, ...rest }) {
  return rest;
}

/** What reading a delivery needs: no schedules, samples and descriptions. */
function slimProfile({ name, scheme, also_sign, envelope, headers, content_type }) {
  return { name, scheme, also_sign, envelope, headers, content_type };
}

function byName(items) {
  return Object.fromEntries(items.map((item) => [item.name, item]));
}

const FIELD_TYPES = {
  id: "string",
  type: "Type",
  rfc3339: "string",
  "unix-seconds": "number",
  data: "Data",
  extra: "unknown",
};

/** The body of a profile's webhooks. */
function envelopeType({ title, name, envelope }) {
  const fields = envelope.map(({ name: field, value, inside, optional }) => {
    const type = inside === undefined ? FIELD_TYPES[value] : `{ ${inside}: ${FIELD_TYPES[value]} }`;
    return `  ${field}${optional ? "?" : ""}: ${type};\n`;
  });
  return `/** The body of a webhook of ${title}. */\nexport interface ${pascal(name)}Envelope<Type = string, Data = unknown> {\n${fields.join("")}}\n`;
}

/** The events of a profile with their schemas as objects. */
function eventsOf({ event = [] }) {
  return event.map(({ name, description, sample, schema }) => ({
    name,
    description,
    sample: jsonOf(sample),
    schema: jsonOf(schema),
  }));
}

/** In profiles JSON is text, or a table that describes it. */
function jsonOf(json) {
  return typeof json === "string" ? JSON.parse(json) : json;
}

function definitionsOf({ definitions = {} }) {
  return Object.fromEntries(Object.entries(definitions).map(([name, schema]) => [name, jsonOf(schema)]));
}

/** The catalogue of a profile: what the data of each event type looks like. */
function eventsType(profile) {
  const name = `${pascal(profile.name)}Events`;
  const doc = `/** The events of ${profile.title}, by type. */\n`;
  const events = eventsOf(profile);
  if (events.length === 0) return `${doc}export type ${name} = { readonly [type: string]: unknown };\n`;
  return eventsInterface(name, events, definitionsOf(profile)).replace(/^export interface/m, `${doc}export interface`);
}

/** Samples and schemas, for those who validate or test. */
function catalogueOf(profile) {
  const $defs = definitionsOf(profile);
  const events = eventsOf(profile).map(({ name, sample, schema }) => [name, { sample, schema }]);
  return { $defs, events: Object.fromEntries(events) };
}

const schemes = descriptions("schemes");
const profiles = descriptions("profiles");

const files = {
  "codes.ts": NOTE + union("CoreCode", "Why the core refuses a request or a secret.", codes()),
  "schemes.ts":
    NOTE +
    'import type { SchemeDescription } from "../interpreter/scheme.js";\n\n' +
    union(
      "SchemeName",
      "A built-in scheme.",
      schemes.map(({ name }) => name),
    ) +
    `\n/** How the built-in schemes sign. */\nexport const SCHEMES: Readonly<Record<string, SchemeDescription>> = ${literal(byName(schemes.map(slimScheme)))};\n`,
  "profiles.ts":
    NOTE +
    'import type { ProfileDescription } from "../interpreter/profile.js";\n\n' +
    union(
      "ProfileName",
      "A built-in profile.",
      profiles.map(({ name }) => name),
    ) +
    `\n/** How the built-in profiles wrap an event. */\nexport const PROFILES: Readonly<Record<string, ProfileDescription>> = ${literal(byName(profiles.map(slimProfile)))};\n`,
};

files["events.ts"] =
  NOTE +
  profiles.map((profile) => `${envelopeType(profile)}\n${eventsType(profile)}\n`).join("") +
  `/** What the body looks like, by profile. */\nexport interface ProfileEnvelopes<Type, Data> {\n${profiles
    .map(({ name }) => `  ${JSON.stringify(name)}: ${pascal(name)}Envelope<Type, Data>;\n`)
    .join("")}}\n\n` +
  `/** The events, by profile. */\nexport interface ProfileEvents {\n${profiles
    .map(({ name }) => `  ${JSON.stringify(name)}: ${pascal(name)}Events;\n`)
    .join("")}}\n`;

files["catalogue.ts"] =
  NOTE +
  'import type { Catalogue } from "../catalogue.js";\n\n' +
  "/** Samples and schemas of the documented events, by profile. Each schema may refer to its profile's definitions. */\n" +
  `export const CATALOGUE: Readonly<Record<string, Catalogue>> = ${literal(
    Object.fromEntries(profiles.map((profile) => [profile.name, catalogueOf(profile)])),
  )};\n`;

let stale = false;
mkdirSync(out, { recursive: true });
for (const [name, text] of Object.entries(files)) {
  const file = path.join(out, name);
  if (process.argv.includes("--check")) {
    let present;
    try {
      present = readFileSync(file, "utf8");
    } catch {
      present = undefined;
    }
    if (present !== text) {
      stale = true;
      console.error(`src/generated/${name} is out of date: npm run generate`);
    }
  } else {
    writeFileSync(file, text);
  }
}
process.exitCode = stale ? 1 : 0;
