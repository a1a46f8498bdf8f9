"""Filedgr in FastAPI: a path operation that gets the verified event as a parameter."""

import os
from typing import Annotated

from fastapi import FastAPI

from hookwright import VerifiedWebhook
from hookwright.dedupe import MemoryDedupe
from hookwright.fastapi import Hookwright

app = FastAPI()
hooks = Hookwright(app)
Event = Annotated[
    VerifiedWebhook, hooks.event("filedgr", os.environ.get("FILEDGR_WEBHOOK_SECRET"), dedupe=MemoryDedupe())
]


@app.post("/webhooks/filedgr")
async def filedgr(event: Event) -> dict[str, str | None]:
    """Every event, in one place."""
    return {"received": event.type}
