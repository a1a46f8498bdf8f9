"""Store first, answer at once, work later: for handlers that take longer than a sender waits."""

import os

from flask import Flask

from hookwright import VerifiedWebhook
from hookwright.flask import Hookwright
from hookwright.inbox import SqliteInbox, StoredWebhook

app = Flask(__name__)
hooks = Hookwright(app)
inbox = SqliteInbox(os.environ.get("INBOX_FILE", "inbox.db"))


@app.post("/webhooks/contractai")
@hooks.verified("contractai", os.environ.get("CONTRACTAI_WEBHOOK_SECRET"))
def contractai(event: VerifiedWebhook) -> None:
    """Once this returns, the event is on disk."""
    inbox.put(event)


@inbox.on("document.*")
def document(event: StoredWebhook) -> None:
    """Something that takes minutes. If it raises, it is tried again later."""
    app.logger.warning("%s: attempt %s", event.type, event.attempt)


inbox.start(threads=2)
