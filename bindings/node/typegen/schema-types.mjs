// From JSON Schema to TypeScript: the part of it that describes data, which is what event schemas use.

const NAME = /^[A-Za-z_$][\w$]*$/;

/**
 * The TypeScript type of what a schema describes.
 *
 * @param {unknown} schema a JSON Schema: an object, or a boolean
 * @param {{ indent?: string, nameOf?: (reference: string) => string | undefined }} [context] `nameOf` says what a
 *   definition is called that a schema refers to
 * @returns {string}
 */
export function typeOf(schema, { indent = "", nameOf = () => undefined } = {}) {
  const inner = (part) => typeOf(part, { indent: `${indent}  `, nameOf });
  const same = (part) => typeOf(part, { indent, nameOf });
  if (typeof schema !== "object" || schema === null) return schema === false ? "never" : "unknown";
  if (typeof schema.$ref === "string") return nameOf(schema.$ref) ?? "unknown";
  if ("const" in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return union(schema.enum.map((value) => JSON.stringify(value)));
  for (const key of ["anyOf", "oneOf"]) {
    if (Array.isArray(schema[key])) return union(schema[key].map(same));
  }
  if (Array.isArray(schema.allOf)) {
    const { allOf, ...rest } = schema;
    const parts = [...(rest.type || rest.properties ? [rest] : []), ...allOf].map(same);
    return parts.map((part) => (part.includes(" | ") ? `(${part})` : part)).join(" & ");
  }
  if (Array.isArray(schema.type)) return union(schema.type.map((type) => same({ ...schema, type })));
  switch (schema.type ?? (schema.properties ? "object" : undefined)) {
    case "string":
      return "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "null":
      return "null";
    case "array":
      return arrayType(schema, same);
    case "object":
      return objectType(schema, indent, inner);
    default:
      return "unknown";
  }
}

function arrayType(schema, same) {
  if (Array.isArray(schema.prefixItems)) {
    const rest = schema.items === false ? "" : `, ...${wrapped(same(schema.items ?? true))}[]`;
    return `[${schema.prefixItems.map(same).join(", ")}${rest}]`;
  }
  return `${wrapped(same(schema.items ?? true))}[]`;
}

function objectType(schema, indent, inner) {
  const required = new Set(schema.required ?? []);
  const members = Object.entries(schema.properties ?? {}).map(([name, member]) => {
    const key = NAME.test(name) ? name : JSON.stringify(name);
    const optional = required.has(name) ? "" : "?";
    return `${comment(member?.description, `${indent}  `)}${indent}  ${key}${optional}: ${inner(member)};\n`;
  });
  if (members.length === 0) {
    const values = schema.additionalProperties;
    if (values === false) return "Record<string, never>";
    return `Record<string, ${values === undefined || values === true ? "unknown" : inner(values)}>`;
  }
  return `{\n${members.join("")}${indent}}`;
}

function union(types) {
  const distinct = [...new Set(types)];
  return distinct.length === 0 ? "never" : distinct.join(" | ");
}

function wrapped(type) {
  return / [|&] /.test(type) && !type.startsWith("{") ? `(${type})` : type;
}

/** A comment in front of a member, or nothing. */
export function comment(text, indent) {
  return text
    ? `${indent}/** ${text
        .trim()
        .replaceAll("*/", "*\\/")
        .replace(/([^.!?])$/, "$1.")} */\n`
    : "";
}

/** A name in the style of TypeScript's types. */
export function pascal(name) {
  const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const joined = words.map((word) => word[0].toUpperCase() + word.slice(1)).join("");
  return /^\d/.test(joined) ? `_${joined}` : joined;
}

/**
 * An interface that maps event types to the types of their data, and an interface for each shared definition.
 *
 * @param {string} name what the interface is called, `AcmeEvents`
 * @param {{ name: string, description?: string, schema?: unknown }[]} events
 * @param {Record<string, unknown>} [definitions] what the schemas refer to as `#/$defs/name`
 * @returns {string}
 */
export function eventsInterface(name, events, definitions = {}) {
  const prefix = name.replace(/Events$/, "");
  const all = { ...definitions };
  for (const { schema } of events) Object.assign(all, schema?.$defs ?? schema?.definitions);
  const names = new Map();
  for (const key of Object.keys(all)) {
    for (const root of ["$defs", "definitions"]) names.set(`#/${root}/${key}`, `${prefix}${pascal(key)}`);
  }
  const nameOf = (reference) => names.get(reference);
  const shared = Object.entries(all).map(
    ([key, schema]) => `export type ${prefix}${pascal(key)} = ${typeOf(schema, { nameOf })};\n\n`,
  );
  const lines = events.map(
    (event) =>
      `${comment(event.description, "  ")}  ${JSON.stringify(event.name)}: ` +
      `${event.schema === undefined ? "unknown" : typeOf(event.schema, { indent: "  ", nameOf })};\n`,
  );
  return `${shared.join("")}export interface ${name} {\n${lines.join("")}}\n`;
}
