// Renders the OpenAPI document. Text goes in as text, so nothing in the document can become markup.
"use strict";

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// `code` in backticks, and paragraphs.
function prose(text) {
  const parts = (text || "").split("\n\n").filter(Boolean).map((paragraph) => {
    const line = element("p");
    paragraph.split("`").forEach((part, index) => line.append(index % 2 ? element("code", "", part) : part));
    return line;
  });
  const all = element("div");
  all.append(...parts);
  return all;
}

function nameOf(reference) {
  return reference.split("/").pop();
}

// What a schema takes, in a few words; references are links.
function kind(schema) {
  const shown = element("span", "kind");
  if (schema.$ref) {
    const link = element("a", "", nameOf(schema.$ref));
    link.href = "#schema-" + nameOf(schema.$ref);
    shown.append(link);
  } else if (schema.allOf || schema.anyOf || schema.oneOf) {
    const options = (schema.allOf || schema.anyOf || schema.oneOf).filter((option) => option.type !== "null" && !option.not);
    options.forEach((option, index) => shown.append(index ? " or " : "", kind(option)));
  } else if (schema.items) {
    shown.append("list of ", kind(schema.items));
  } else if (schema.additionalProperties && schema.additionalProperties !== true) {
    shown.append("map of ", kind(schema.additionalProperties));
  } else {
    const types = [].concat(schema.type || "any JSON").filter((type) => type !== "null");
    shown.append(types.join(" or "), schema.format ? " (" + schema.format + ")" : "");
  }
  return shown;
}

function fields(schema) {
  const list = element("dl");
  for (const [name, field] of Object.entries(schema.properties || {})) {
    const note = field.readOnly ? " answers only" : field.writeOnly ? " requests only" : "";
    list.append(element("dt", "", name, " ", kind(field), element("span", "kind", note)));
    list.append(element("dd", "", prose(field.description)));
  }
  return list;
}

function curl(method, path, operation) {
  const lines = ["curl -X " + method.toUpperCase() + " " + location.origin + path];
  const body = operation.requestBody && operation.requestBody.content["application/json"];
  if (body) {
    const text = JSON.stringify(body.example || {}).replaceAll("'", "'\\''");
    lines.push("  -H 'Content-Type: application/json'", "  -d '" + text + "'");
  }
  return element("pre", "", element("code", "", lines.join(" \\\n")));
}

function operation(path, method, described) {
  const content = element("div", "", prose(described.description));
  if (described.parameters.length) {
    const list = element("dl");
    for (const parameter of described.parameters) {
      list.append(element("dt", "", parameter.name, " ", element("span", "kind", parameter.in + " "), kind(parameter.schema)));
      list.append(element("dd", "", prose(parameter.description)));
    }
    content.append(element("h3", "", "Parameters"), list);
  }
  if (described.requestBody) {
    content.append(element("h3", "", "Body"), kind(described.requestBody.content["application/json"].schema));
  }
  content.append(element("h3", "", "Answers"));
  for (const [status, response] of Object.entries(described.responses)) {
    const answer = response.content && response.content["application/json"];
    const words = response.$ref ? kind({ $ref: "#/components/schemas/Problem" }) : (response.description || "") + " ";
    content.append(element("p", "", element("code", "", status), " ", words, answer ? kind(answer.schema) : ""));
  }
  content.append(element("h3", "", "Try it"), curl(method, path, described));
  const title = element("summary", "", element("span", "method", method.toUpperCase()), element("code", "", path),
    element("span", "summary", described.summary));
  const shown = element("details", "", title, content);
  shown.id = described.operationId;
  shown.dataset.text = (method + " " + path + " " + described.summary).toLowerCase();
  return shown;
}

function schema(name, described) {
  const content = element("div", "", prose(described.description), fields(described));
  if (described.enum) content.append(...described.enum.map((value) => element("p", "", element("code", "", value))));
  const shown = element("details", "", element("summary", "", element("code", "", name)), content);
  shown.id = "schema-" + name;
  return shown;
}

// A link to a closed part opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}

async function render() {
  const answer = await fetch("/openapi.json");
  const openapi = await answer.json();
  document.getElementById("about").replaceChildren(
    element("div", "", "Version " + openapi.info.version), prose(openapi.info.description));
  const groups = new Map();
  for (const [path, methods] of Object.entries(openapi.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      const tag = described.tags[0];
      if (!groups.has(tag)) groups.set(tag, element("section", "", element("h2", "", tag)));
      groups.get(tag).append(operation(path, method, described));
    }
  }
  document.getElementById("operations").append(...groups.values());
  document.getElementById("schemas").append(
    ...Object.entries(openapi.components.schemas).map(([name, described]) => schema(name, described)));
  document.getElementById("search").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const shown of document.querySelectorAll("main details")) shown.hidden = !shown.dataset.text.includes(wanted);
  });
  window.addEventListener("hashchange", openTarget);
  openTarget();
}

render().catch((error) => {
  document.getElementById("about").textContent = "openapi.json cannot be shown: " + error.message;
});
