"""The commands with which a platform's guide has its reader try an endpoint by hand, run against real Flask apps.

Their signature is none. Receivers written as the guides have it end with a 500 there, and a platform would send again.
"""

import json
import pathlib
import re
import subprocess
import threading
import urllib.request

import pytest
from flask import Flask
from werkzeug.serving import make_server

from hookwright.flask import Hookwright
from hookwright.testing import SAMPLE_SECRET, WebhookSender

GUIDES = pathlib.Path(__file__).resolve().parents[3] / "tests/e2e/seed_documents/guides"
#: Where a guide has its reader's endpoint, and what its platform sends there.
ENDPOINTS = {
    "filedgr": ("https://yourapp.com/webhooks/filedgr", "vault.created"),
    "generic": ("http://localhost:3000/webhook", "user.created"),
    "aetherflow": ("http://your-endpoint.com/webhook", "workflow.completed"),
}


def command_of(platform: str) -> str:
    guide = (GUIDES / f"{platform}.md").read_text()
    section = guide[guide.index("## Trying the endpoint by hand") :]
    command = re.search(r"```bash\n(.*?)```", section, re.DOTALL)[1]
    assert "curl" in command
    return command


@pytest.fixture
def serve():
    """Serves an endpoint of a platform on a real port, and says where."""
    servers = []

    def serve(platform):
        app = Flask(platform)
        endpoint = Hookwright(app).blueprint(platform, SAMPLE_SECRET)
        received = []
        endpoint.on("*")(received.append)
        app.register_blueprint(endpoint)
        server = make_server("127.0.0.1", 0, app)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/webhooks/{platform}", received

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_guide_with_such_a_command_is_tried():
    """A command that is added would be run by nobody."""
    found = {path.stem for path in GUIDES.glob("*.md") if "by hand" in path.read_text()}
    assert found == set(ENDPOINTS)


@pytest.mark.parametrize(("platform", "url", "event_type"), [(name, *of) for name, of in ENDPOINTS.items()])
def test_a_command_of_the_guide_is_refused_with_a_reason(serve, platform, url, event_type):
    """Whoever tries their endpoint would be told that it is broken, or that anybody may call it."""
    here, received = serve(platform)
    command = command_of(platform)
    assert url in command
    command = command.replace(url, here).replace(
        "curl ", "curl --silent --show-error --write-out '\\n%{http_code}' ", 1
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=30)
    body, status = done.stdout.rsplit("\n", 1)
    assert status == "401", done.stdout
    assert json.loads(body)["error"]
    assert received == []

    # An endpoint that refuses everything would have passed so far.
    signed = WebhookSender(platform, SAMPLE_SECRET).event(event_type)
    request = urllib.request.Request(here, signed.body, dict(signed.headers))
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    assert [event.type for event in received] == [event_type]
