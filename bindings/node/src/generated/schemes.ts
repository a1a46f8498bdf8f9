// Generated from crates/core by scripts/generate.mjs. Do not edit.

import type { SchemeDescription } from "../interpreter/scheme.js";

/** A built-in scheme. */
export type SchemeName =
  | "aetherflow"
  | "convoy-advanced-sha256-base64"
  | "convoy-advanced-sha256-hex"
  | "convoy-advanced-sha512-base64"
  | "convoy-advanced-sha512-hex"
  | "convoy-simple-sha256-base64"
  | "convoy-simple-sha256-hex"
  | "convoy-simple-sha512-base64"
  | "convoy-simple-sha512-hex"
  | "digivault"
  | "discord"
  | "dropbox"
  | "filedgr"
  | "github-sha1"
  | "github"
  | "hubspot-v3"
  | "intercom"
  | "linear"
  | "meta"
  | "paddle"
  | "pagerduty"
  | "razorpay"
  | "sendgrid"
  | "shopify"
  | "slack"
  | "square"
  | "standard-webhooks"
  | "stripe"
  | "svix"
  | "twilio"
  | "typeform"
  | "workos"
  | "x-webhook-signature"
  | "zoom";

/** How the built-in schemes sign. */
export const SCHEMES: Readonly<Record<string, SchemeDescription>> = {
  "aetherflow": {
    "name": "aetherflow",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "X-AetherFlow-Signature"
      ],
      "encoding": "hex"
    }
  },
  "convoy-advanced-sha256-base64": {
    "name": "convoy-advanced-sha256-base64",
    "content": "{ts},{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "X-Convoy-Signature"
      ],
      "encoding": "base64",
      "item_separator": ",",
      "tag_separator": "=",
      "timestamp_tag": "t",
      "tags": [
        {
          "tag": "v1",
          "algorithm": "hmac-sha256"
        }
      ]
    },
    "timestamp": {
      "tolerance_seconds": 300
    }
  },
  "convoy-advanced-sha256-hex": {
    "name": "convoy-advanced-sha256-hex",
    "content": "{ts},{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "X-Convoy-Signature"
      ],
      "encoding": "hex",
      "item_separator": ",",
      "tag_separator": "=",
      "timestamp_tag": "t",
      "tags": [
        {
          "tag": "v1",
          "algorithm": "hmac-sha256"
        }
      ]
    },
    "timestamp": {
      "tolerance_seconds": 300
    }
  },
  "convoy-advanced-sha512-base64": {
    "name": "convoy-advanced-sha512-base64",
    "content": "{ts},{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "X-Convoy-Signature"
      ],
      "encoding": "base64",
      "item_separator": ",",
      "tag_separator": "=",
      "timestamp_tag": "t",
      "tags": [
        {
          "tag": "v1",
          "algorithm": "hmac-sha512"
        }
      ]
    },
    "timestamp": {
      "tolerance_seconds": 300
    }
  },
  "convoy-advanced-sha512-hex": {
    "name": "convoy-advanced-sha512-hex",
    "content": "{ts},{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "X-Convoy-Signature"
      ],
      "encoding": "hex",
      "item_separator": ",",
      "tag_separator": "=",
      "timestamp_tag": "t",
      "tags": [
        {
          "tag": "v1",
          "algorithm": "hmac-sha512"
        }
      ]
    },
    "timestamp": {
      "tolerance_seconds": 300
    }
  },
  "convoy-simple-sha256-base64": {
    "name": "convoy-simple-sha256-base64",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "X-Convoy-Signature"
      ],
      "encoding": "base64"
    }
  },
  "convoy-simple-sha256-hex": {
    "name": "convoy-simple-sha256-hex",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "X-Convoy-Signature"
      ],
      "encoding": "hex"
    }
  },
  "convoy-simple-sha512-base64": {
    "name": "convoy-simple-sha512-base64",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha512",
    "signature": {
      "headers": [
        "X-Convoy-Signature"
      ],
      "encoding": "base64"
    }
  },
  "convoy-simple-sha512-hex": {
    "name": "convoy-simple-sha512-hex",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha512",
    "signature": {
      "headers": [
        "X-Convoy-Signature"
      ],
      "encoding": "hex"
    }
  },
  "digivault": {
    "name": "digivault",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "X-DigiVault-Signature",
        "X-BitVault-Signature"
      ],
      "encoding": "hex"
    }
  },
  "discord": {
    "name": "discord",
    "content": "{ts}{body}",
    "adjacent_variables": true,
    "key": "hex",
    "algorithm": "ed25519",
    "signature": {
      "headers": [
        "X-Signature-Ed25519"
      ],
      "encoding": "hex"
    },
    "timestamp": {
      "headers": [
        "X-Signature-Timestamp"
      ]
    }
  },
  "dropbox": {
    "name": "dropbox",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "X-Dropbox-Signature"
      ],
      "encoding": "hex"
    }
  },
  "filedgr": {
    "name": "filedgr",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "X-Filedgr-Signature"
      ],
      "encoding": "hex"
    }
  },
  "github-sha1": {
    "name": "github-sha1",
    "content": "{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "X-Hub-Signature"
      ],
      "encoding": "hex",
      "tag_separator": "=",
      "tags": [
        {
          "tag": "sha1",
          "algorithm": "hmac-sha1"
        }
      ]
    }
  },
  "github": {
    "name": "github",
    "content": "{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "X-Hub-Signature-256"
      ],
      "encoding": "hex",
      "tag_separator": "=",
      "tags": [
        {
          "tag": "sha256",
          "algorithm": "hmac-sha256"
        }
      ]
    }
  },
  "hubspot-v3": {
    "name": "hubspot-v3",
    "content": "{method}{url}{body}{ts}",
    "adjacent_variables": true,
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "X-HubSpot-Signature-v3"
      ],
      "encoding": "base64"
    },
    "timestamp": {
      "headers": [
        "X-HubSpot-Request-Timestamp"
      ],
      "unit": "milliseconds",
      "tolerance_seconds": 300
    }
  },
  "intercom": {
    "name": "intercom",
    "content": "{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "X-Hub-Signature"
      ],
      "encoding": "hex",
      "tag_separator": "=",
      "tags": [
        {
          "tag": "sha1",
          "algorithm": "hmac-sha1"
        }
      ]
    }
  },
  "linear": {
    "name": "linear",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "Linear-Signature"
      ],
      "encoding": "hex"
    },
    "timestamp": {
      "body_field": "webhookTimestamp",
      "unit": "milliseconds",
      "tolerance_seconds": 60
    }
  },
  "meta": {
    "name": "meta",
    "content": "{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "X-Hub-Signature-256"
      ],
      "encoding": "hex",
      "tag_separator": "=",
      "tags": [
        {
          "tag": "sha256",
          "algorithm": "hmac-sha256"
        }
      ]
    }
  },
  "paddle": {
    "name": "paddle",
    "content": "{ts}:{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "Paddle-Signature"
      ],
      "encoding": "hex",
      "item_separator": ";",
      "tag_separator": "=",
      "timestamp_tag": "ts",
      "tags": [
        {
          "tag": "h1",
          "algorithm": "hmac-sha256"
        }
      ]
    },
    "timestamp": {
      "tolerance_seconds": 5
    }
  },
  "pagerduty": {
    "name": "pagerduty",
    "content": "{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "X-PagerDuty-Signature"
      ],
      "encoding": "hex",
      "item_separator": ",",
      "tag_separator": "=",
      "tags": [
        {
          "tag": "v1",
          "algorithm": "hmac-sha256"
        }
      ]
    }
  },
  "razorpay": {
    "name": "razorpay",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "X-Razorpay-Signature"
      ],
      "encoding": "hex"
    }
  },
  "sendgrid": {
    "name": "sendgrid",
    "content": "{ts}{body}",
    "adjacent_variables": true,
    "key": "base64",
    "algorithm": "ecdsa-p256-sha256-der",
    "signature": {
      "headers": [
        "X-Twilio-Email-Event-Webhook-Signature"
      ],
      "encoding": "base64"
    },
    "timestamp": {
      "headers": [
        "X-Twilio-Email-Event-Webhook-Timestamp"
      ]
    }
  },
  "shopify": {
    "name": "shopify",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "X-Shopify-Hmac-SHA256",
        "shopify-hmac-sha256"
      ],
      "encoding": "base64"
    }
  },
  "slack": {
    "name": "slack",
    "content": "v0:{ts}:{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "X-Slack-Signature"
      ],
      "encoding": "hex",
      "tag_separator": "=",
      "tags": [
        {
          "tag": "v0",
          "algorithm": "hmac-sha256"
        }
      ]
    },
    "timestamp": {
      "headers": [
        "X-Slack-Request-Timestamp"
      ],
      "tolerance_seconds": 300
    }
  },
  "square": {
    "name": "square",
    "content": "{url}{body}",
    "adjacent_variables": true,
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "x-square-hmacsha256-signature"
      ],
      "encoding": "base64"
    }
  },
  "standard-webhooks": {
    "name": "standard-webhooks",
    "content": "{id}.{ts}.{body}",
    "key": "standard-webhooks",
    "signature": {
      "headers": [
        "webhook-signature"
      ],
      "encoding": "base64",
      "item_separator": " ",
      "tag_separator": ",",
      "tags": [
        {
          "tag": "v1",
          "algorithm": "hmac-sha256"
        },
        {
          "tag": "v1a",
          "algorithm": "ed25519"
        }
      ]
    },
    "timestamp": {
      "headers": [
        "webhook-timestamp"
      ],
      "tolerance_seconds": 300
    },
    "id": {
      "headers": [
        "webhook-id"
      ]
    }
  },
  "stripe": {
    "name": "stripe",
    "content": "{ts}.{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "Stripe-Signature"
      ],
      "encoding": "hex",
      "item_separator": ",",
      "tag_separator": "=",
      "timestamp_tag": "t",
      "tags": [
        {
          "tag": "v1",
          "algorithm": "hmac-sha256"
        }
      ]
    },
    "timestamp": {
      "tolerance_seconds": 300
    }
  },
  "svix": {
    "name": "svix",
    "content": "{id}.{ts}.{body}",
    "key": "standard-webhooks",
    "signature": {
      "headers": [
        "svix-signature",
        "webhook-signature"
      ],
      "encoding": "base64",
      "item_separator": " ",
      "tag_separator": ",",
      "tags": [
        {
          "tag": "v1",
          "algorithm": "hmac-sha256"
        },
        {
          "tag": "v1a",
          "algorithm": "ed25519"
        }
      ]
    },
    "timestamp": {
      "headers": [
        "svix-timestamp",
        "webhook-timestamp"
      ],
      "tolerance_seconds": 300
    },
    "id": {
      "headers": [
        "svix-id",
        "webhook-id"
      ]
    }
  },
  "twilio": {
    "name": "twilio",
    "content": "{url}{form}",
    "adjacent_variables": true,
    "body_digest_query": "bodySHA256",
    "port_may_differ": true,
    "key": "utf8",
    "algorithm": "hmac-sha1",
    "signature": {
      "headers": [
        "X-Twilio-Signature"
      ],
      "encoding": "base64"
    }
  },
  "typeform": {
    "name": "typeform",
    "content": "{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "Typeform-Signature"
      ],
      "encoding": "base64",
      "tag_separator": "=",
      "tags": [
        {
          "tag": "sha256",
          "algorithm": "hmac-sha256"
        }
      ]
    }
  },
  "workos": {
    "name": "workos",
    "content": "{ts}.{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "WorkOS-Signature"
      ],
      "encoding": "hex",
      "item_separator": ", ",
      "tag_separator": "=",
      "timestamp_tag": "t",
      "tags": [
        {
          "tag": "v1",
          "algorithm": "hmac-sha256"
        }
      ]
    },
    "timestamp": {
      "unit": "milliseconds",
      "tolerance_seconds": 180
    }
  },
  "x-webhook-signature": {
    "name": "x-webhook-signature",
    "content": "{body}",
    "key": "utf8",
    "algorithm": "hmac-sha256",
    "signature": {
      "headers": [
        "X-Webhook-Signature"
      ],
      "encoding": "hex"
    }
  },
  "zoom": {
    "name": "zoom",
    "content": "v0:{ts}:{body}",
    "key": "utf8",
    "signature": {
      "headers": [
        "x-zm-signature"
      ],
      "encoding": "hex",
      "tag_separator": "=",
      "tags": [
        {
          "tag": "v0",
          "algorithm": "hmac-sha256"
        }
      ]
    },
    "timestamp": {
      "headers": [
        "x-zm-request-timestamp"
      ],
      "tolerance_seconds": 300
    }
  }
};
