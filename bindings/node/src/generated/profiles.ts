// Generated from crates/core by scripts/generate.mjs. Do not edit.

import type { ProfileDescription } from "../interpreter/profile.js";

/** A built-in profile. */
export type ProfileName =
  | "aetherflow"
  | "contractai"
  | "digivault"
  | "filedgr"
  | "generic"
  | "standard-webhooks";

/** How the built-in profiles wrap an event. */
export const PROFILES: Readonly<Record<string, ProfileDescription>> = {
  "aetherflow": {
    "name": "aetherflow",
    "scheme": "aetherflow",
    "also_sign": [
      "standard-webhooks"
    ],
    "envelope": [
      {
        "name": "event",
        "value": "type"
      },
      {
        "name": "id",
        "value": "id"
      },
      {
        "name": "timestamp",
        "value": "rfc3339"
      },
      {
        "name": "data",
        "value": "data"
      }
    ]
  },
  "contractai": {
    "name": "contractai",
    "scheme": "standard-webhooks",
    "envelope": [
      {
        "name": "event",
        "value": "type"
      },
      {
        "name": "id",
        "value": "id",
        "optional": true
      },
      {
        "name": "timestamp",
        "value": "rfc3339",
        "optional": true
      },
      {
        "name": "data",
        "value": "data"
      },
      {
        "name": "metadata",
        "value": "extra",
        "optional": true
      },
      {
        "name": "context",
        "value": "extra",
        "optional": true
      }
    ]
  },
  "digivault": {
    "name": "digivault",
    "scheme": "digivault",
    "also_sign": [
      "standard-webhooks"
    ],
    "envelope": [
      {
        "name": "id",
        "value": "id"
      },
      {
        "name": "type",
        "value": "type"
      },
      {
        "name": "created_at",
        "value": "unix-seconds"
      },
      {
        "name": "data",
        "value": "data",
        "inside": "object"
      }
    ]
  },
  "filedgr": {
    "name": "filedgr",
    "scheme": "filedgr",
    "also_sign": [
      "standard-webhooks"
    ],
    "envelope": [
      {
        "name": "eventType",
        "value": "type"
      },
      {
        "name": "eventId",
        "value": "id"
      },
      {
        "name": "timestamp",
        "value": "rfc3339"
      },
      {
        "name": "data",
        "value": "data"
      }
    ],
    "headers": {
      "X-Filedgr-Event-Type": "{type}",
      "X-Filedgr-Event-ID": "{id}"
    }
  },
  "generic": {
    "name": "generic",
    "scheme": "x-webhook-signature",
    "also_sign": [
      "standard-webhooks"
    ],
    "envelope": [
      {
        "name": "id",
        "value": "id"
      },
      {
        "name": "type",
        "value": "type"
      },
      {
        "name": "created_at",
        "value": "rfc3339",
        "optional": true
      },
      {
        "name": "data",
        "value": "data"
      }
    ]
  },
  "standard-webhooks": {
    "name": "standard-webhooks",
    "scheme": "standard-webhooks",
    "envelope": [
      {
        "name": "type",
        "value": "type"
      },
      {
        "name": "timestamp",
        "value": "rfc3339"
      },
      {
        "name": "data",
        "value": "data"
      }
    ]
  }
};
