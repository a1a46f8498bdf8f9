"""A platform with X-Webhook-Signature: the shortest receiver, with payloads checked against their schemas."""

import os

from flask import Flask

from hookwright import VerifiedWebhook
from hookwright.flask import Hookwright

app = Flask(__name__)
hooks = Hookwright(app)


@app.post("/webhooks/generic")
@hooks.verified("generic", os.environ.get("GENERIC_WEBHOOK_SECRET"), validate=True)
def generic(event: VerifiedWebhook) -> None:
    """Every event, in one place."""
    app.logger.warning("%s: %s", event.type, event.data)
