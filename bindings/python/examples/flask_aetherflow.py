"""AetherFlow: the id of an event is stored in the transaction of its handler, and payloads have versions."""

import os

import sqlalchemy as sa
from flask import Flask

from hookwright import VerifiedWebhook
from hookwright.dedupe.sqlalchemy import SqlAlchemyDedupe
from hookwright.flask import Hookwright

metadata = sa.MetaData()
runs = sa.Table("runs", metadata, sa.Column("workflow", sa.String(64)), sa.Column("state", sa.String(16)))
processed = SqlAlchemyDedupe(metadata)
engine = sa.create_engine(os.environ.get("DATABASE_URL", "sqlite:///aetherflow.db"))
metadata.create_all(engine)

app = Flask(__name__)
hooks = Hookwright(app)
aetherflow = hooks.blueprint(
    "aetherflow",
    os.environ.get("AETHERFLOW_WEBHOOK_SECRET"),
    version_of=lambda event: event.data.get("version"),
)


@aetherflow.on("workflow.completed", "workflow.failed")
def finished(event: VerifiedWebhook) -> None:
    """A workflow has come to its end. The row and the id are both stored, or neither is."""
    with engine.begin() as connection:
        if processed.first_time(connection, event):
            row = {"workflow": event.data["workflow"]["id"], "state": event.data["workflow"]["status"]}
            connection.execute(runs.insert().values(row))


@aetherflow.on("workflow.completed", version=2)
def finished_in_version_two(event: VerifiedWebhook) -> None:
    """The same in a later version of the payload, which has its own shape."""
    with engine.begin() as connection:
        if processed.first_time(connection, event):
            connection.execute(runs.insert().values(workflow=event.data["workflow_id"], state="completed"))


app.register_blueprint(aetherflow)
