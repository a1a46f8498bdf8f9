"""For Schemathesis: waits less for deliveries than it asks for.

A test delivery is waited for as long as its request says, up to 30 s, and what was done to a webhook before may hold it up
that long. How long the wait is tells nothing about the answer.
"""

import re

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    wait = case.body.get("wait") if isinstance(case.body, dict) else None
    seconds = re.fullmatch(r"(\d+)(\.\d+)?s", wait) if isinstance(wait, str) else None
    # More is refused, and that is to be seen.
    if seconds and int(seconds[1]) <= 30:
        case.body["wait"] = "0.5s"
