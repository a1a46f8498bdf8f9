"""Filedgr: handlers by event type, with typed data."""

import os

from flask import Flask

from hookwright import VerifiedWebhook
from hookwright.events.filedgr import StreamAlertTriggered, VaultCreated
from hookwright.flask import Hookwright

app = Flask(__name__)
hooks = Hookwright(app)
filedgr = hooks.blueprint("filedgr", os.environ.get("FILEDGR_WEBHOOK_SECRET"))


@filedgr.on("vault.created")
def created(event: VerifiedWebhook[VaultCreated]) -> None:
    """A vault is there."""
    app.logger.warning("vault %s is called %s", event.data["vaultId"], event.data["name"])


@filedgr.on("stream.alert_triggered")
def alerted(event: VerifiedWebhook[StreamAlertTriggered]) -> None:
    """A sensor is out of bounds."""
    app.logger.warning("%s: %s", event.data["severity"], event.data["message"])


@filedgr.on("vault.*", "stream.*")
def others(event: VerifiedWebhook) -> None:
    """Everything else about vaults and streams."""
    app.logger.warning("%s of %s", event.type, event.id)


app.register_blueprint(filedgr)
