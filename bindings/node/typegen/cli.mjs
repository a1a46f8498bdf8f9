#!/usr/bin/env node
// Types for the events of one's own platform, from the JSON Schemas of their data.
//
//   npx hookwright-typegen acme.json --output acme-events.d.ts

import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { eventsInterface, pascal } from "./schema-types.mjs";

const USAGE = `Usage: hookwright-typegen FILE [--name NAME] [--output FILE] [--check]

Writes TypeScript types for the events that FILE describes. FILE is JSON: a hookwright profile, or an object from
event types to the JSON Schemas of their data.

  --name NAME      what the interface is called; from the profile's or the file's name if absent
  --output FILE    where to write; standard output if absent
  --check          write nothing, and fail when FILE of --output is not what would be written`;

/** The events of a profile, or of a plain object of schemas. */
function read(file) {
  const described = JSON.parse(readFileSync(file, "utf8"));
  const isProfile = Array.isArray(described.event);
  const events = isProfile
    ? described.event.map(({ name, description, schema }) => ({ name, description, schema: parsed(schema) }))
    : Object.entries(described).map(([name, schema]) => ({ name, description: schema?.description, schema }));
  const definitions = Object.entries(isProfile ? (described.definitions ?? {}) : {});
  return {
    title: isProfile ? described.name : path.basename(file).replace(/\..*$/, ""),
    events,
    definitions: Object.fromEntries(definitions.map(([name, schema]) => [name, parsed(schema)])),
  };
}

/** Profiles may hold schemas as text. */
function parsed(schema) {
  return typeof schema === "string" ? JSON.parse(schema) : schema;
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      name: { type: "string" },
      output: { type: "string", short: "o" },
      check: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  const [file] = positionals;
  if (values.help || file === undefined) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const { title, events, definitions } = read(file);
  const text =
    `// Generated from ${path.basename(file)} by hookwright-typegen. Do not edit.\n\n` +
    eventsInterface(values.name ?? `${pascal(title)}Events`, events, definitions);
  if (values.output === undefined) {
    process.stdout.write(text);
    return 0;
  }
  if (!values.check) {
    writeFileSync(values.output, text);
    return 0;
  }
  const present = readFileSync(values.output, "utf8");
  if (present !== text)
    console.error(`${values.output} is out of date: hookwright-typegen ${file} -o ${values.output}`);
  return present === text ? 0 : 1;
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(`hookwright-typegen: ${error.message}`);
  process.exitCode = 1;
}
