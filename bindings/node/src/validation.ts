// Checking the data of verified events against JSON Schema. Needs `ajv`, version 8.
//
//   hookwright({ secret, profile: "filedgr", validate: schemaValidator("filedgr") })

import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";

import type { Catalogue } from "./catalogue.js";
import { WebhookConfigurationError, type SchemaViolation } from "./errors.js";
import { CATALOGUE } from "./generated/catalogue.js";
import type { ProfileName } from "./generated/profiles.js";
import type { Validator } from "./validator.js";

export type { Catalogue, Validator };

/** What becomes of events whose type has no schema. */
export interface SchemaValidatorOptions {
  /** `true` refuses them; absent, they pass. Platforms add types, and a receiver should survive that. */
  readonly refuseUnknownTypes?: boolean | undefined;
}

/** A body of a hundred wrong items does not need a hundred lines of answer. */
const MAX_VIOLATIONS = 10;

const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** Checks data by the schemas of a built-in profile, or by one's own: an object from event types to schemas. */
export function schemaValidator(
  schemas: ProfileName | Readonly<Record<string, object>>,
  { refuseUnknownTypes = false }: SchemaValidatorOptions = {},
): Validator {
  const { $defs, events } = catalogueOf(schemas);
  const ajv = new Ajv2020({
    allErrors: true,
    strict: false,
    formats: {
      "date-time": (text: string) => DATE_TIME.test(text) && !Number.isNaN(Date.parse(text.replace(" ", "T"))),
      email: /^[^\s@]+@[^\s@]+$/,
      uri: (text: string) => URL.canParse(text),
    },
  });
  const checks = new Map<string, ValidateFunction>();
  for (const [type, { schema }] of Object.entries(events)) {
    if (schema !== undefined) checks.set(type, compiled(ajv, type, { $defs, ...schema }));
  }
  return (event) => {
    const check = checks.get(event.type ?? "");
    if (check === undefined) {
      return refuseUnknownTypes ? [{ path: "", message: "there is no schema for events of this type" }] : undefined;
    }
    return check(event.data) ? undefined : violationsOf(check.errors ?? []);
  };
}

function catalogueOf(schemas: ProfileName | Readonly<Record<string, object>>): Catalogue {
  if (typeof schemas !== "string") {
    const events = Object.entries(schemas).map(([type, schema]) => [type, { schema }]);
    return { $defs: {}, events: Object.fromEntries(events) as Catalogue["events"] };
  }
  const catalogue = Object.hasOwn(CATALOGUE, schemas) ? CATALOGUE[schemas] : undefined;
  if (catalogue !== undefined) return catalogue;
  throw new WebhookConfigurationError("unknown_profile", `there is no profile \`${schemas}\` with schemas`);
}

function compiled(ajv: Ajv2020, type: string, schema: object): ValidateFunction {
  try {
    return ajv.compile(schema);
  } catch (error) {
    throw new WebhookConfigurationError("invalid_option", `the schema of ${type}: ${(error as Error).message}`);
  }
}

function violationsOf(errors: readonly ErrorObject[]): SchemaViolation[] {
  return errors.slice(0, MAX_VIOLATIONS).map(({ instancePath, message }) => ({
    path: instancePath,
    message: message ?? "is not what the schema describes",
  }));
}
