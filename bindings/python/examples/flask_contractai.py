"""ContractAI: a view of one's own, two secrets while one replaces the other, and an alarm for refusals."""

import os

from flask import Flask, Response

from hookwright import VerifiedWebhook
from hookwright.dedupe import MemoryDedupe
from hookwright.flask import Hookwright, Refusal

app = Flask(__name__)


def alarm(refusal: Refusal) -> None:
    """Count what is refused; here, a log line stands for the counter."""
    app.logger.warning("refused at %s: %s", refusal.endpoint, refusal.code)


hooks = Hookwright(app, on_error=alarm)

# The new secret first. Once every delivery is signed with it, take the old one away.
secrets = [
    secret
    for secret in (os.environ.get("CONTRACTAI_WEBHOOK_SECRET"), os.environ.get("CONTRACTAI_WEBHOOK_SECRET_OLD"))
    if secret
]


@app.post("/webhooks/contractai")
@hooks.verified("contractai", secrets, dedupe=MemoryDedupe())
def contractai(event: VerifiedWebhook) -> Response:
    """Every event, in one place."""
    app.logger.warning("%s: %s, signed with secret %s", event.type, event.id, event.secret_index)
    return Response(status=200)
