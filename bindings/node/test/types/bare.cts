// As bare.ts, from CommonJS.

import hookwright = require("hookwright");
import edge = require("hookwright/edge");

const webhook = new hookwright.Webhook("secret", { profile: "generic" });
const id: string | undefined = webhook.verify("{}", {}).id;
const error: hookwright.VerificationErrorCode = "signature_mismatch";
export = { id, error, Edge: edge.Webhook };
