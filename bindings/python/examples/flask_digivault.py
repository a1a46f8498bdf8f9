"""DigiVault: each event is handled once, although it may come several times, and also across restarts."""

import os

from flask import Flask

from hookwright import VerifiedWebhook
from hookwright.dedupe import SqliteDedupe
from hookwright.flask import Hookwright

app = Flask(__name__)
hooks = Hookwright(app)
digivault = hooks.blueprint(
    "digivault",
    os.environ.get("DIGIVAULT_WEBHOOK_SECRET"),
    # DigiVault goes on retrying for 7 hours and 21 minutes; ids are kept for three days.
    dedupe=SqliteDedupe(os.environ.get("DIGIVAULT_DEDUPE_FILE", "digivault-dedupe.db")),
)


@digivault.on("conversation.message.*")
def message(event: VerifiedWebhook) -> None:
    """Something happened to a message."""
    app.logger.warning("%s: %s", event.type, event.id)


@digivault.on("conversation.*", "contact.*", "group.*")
def other(event: VerifiedWebhook) -> None:
    """Something happened to a conversation, a contact or a group."""
    app.logger.warning("%s: %s", event.type, event.id)


app.register_blueprint(digivault)
