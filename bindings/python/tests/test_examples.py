"""Every example starts, verifies what its platform sends, and refuses what it does not."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

from hookwright import SecretError
from hookwright.testing import SAMPLE_SECRET, WebhookSender

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"

FLASK = {
    "flask_filedgr": ("filedgr", "vault.created"),
    "flask_digivault": ("digivault", "conversation.message.created"),
    "flask_aetherflow": ("aetherflow", "workflow.completed"),
    "flask_contractai": ("contractai", "agent.created"),
    "flask_generic": ("generic", "user.created"),
    "flask_worker": ("contractai", "document.added"),
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = []

    def load(name, *, secret=SAMPLE_SECRET):
        for platform in ("FILEDGR", "DIGIVAULT", "AETHERFLOW", "CONTRACTAI", "GENERIC"):
            if secret is None:
                monkeypatch.delenv(f"{platform}_WEBHOOK_SECRET", raising=False)
            else:
                monkeypatch.setenv(f"{platform}_WEBHOOK_SECRET", secret)
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        loaded.append(module)
        spec.loader.exec_module(module)
        return module

    yield load
    for module in loaded:
        if inbox := getattr(module, "inbox", None):
            inbox.stop()
        if engine := getattr(module, "engine", None):
            engine.dispose()


def test_every_example_is_tested():
    """An example that does not run is worse than none."""
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {*FLASK, "fastapi_filedgr", "django_filedgr"}
    readme = (EXAMPLES / "README.md").read_text()
    assert all(name in readme for name in names)


@pytest.mark.parametrize("name", FLASK)
def test_a_flask_example_receives_its_platform(load, name):
    """People start from these."""
    platform, event_type = FLASK[name]
    client = load(name).app.test_client()
    sender = WebhookSender(platform, SAMPLE_SECRET)
    good = sender.event(event_type)
    for _ in range(2):
        assert sender.send(client, f"/webhooks/{platform}", good).status_code == 200
    assert sender.send(client, f"/webhooks/{platform}", good.tampered()).status_code == 401


@pytest.mark.parametrize("name", FLASK)
def test_a_flask_example_does_not_start_without_its_secret(load, name):
    """It would accept everything, or fail on the first delivery."""
    with pytest.raises(SecretError):
        load(name, secret=None)


def test_the_digivault_example_remembers_across_restarts(load):
    """Its point is that it does."""
    sender = WebhookSender("digivault", SAMPLE_SECRET)
    event = sender.event("contact.created")
    answers = [
        sender.send(load("flask_digivault").app.test_client(), "/webhooks/digivault", event).json for _ in range(2)
    ]
    assert answers == [{"status": "ok"}, {"status": "duplicate"}]


def test_the_aetherflow_example_stores_each_run_once(load):
    """Its point is that it does, in one transaction."""
    import sqlalchemy as sa

    module = load("flask_aetherflow")
    sender = WebhookSender("aetherflow", SAMPLE_SECRET)
    client = module.app.test_client()
    event = sender.event("workflow.completed")
    for _ in range(3):
        sender.send(client, "/webhooks/aetherflow", event)
    second = sender.event("workflow.completed", {"version": 2, "workflow_id": "wf_2"})
    assert sender.send(client, "/webhooks/aetherflow", second).status_code == 200
    with module.engine.connect() as connection:
        rows = connection.execute(sa.select(module.runs)).fetchall()
    module.engine.dispose()
    assert [row.workflow for row in rows] == ["wf_abc123", "wf_2"]


def test_the_contractai_example_takes_two_secrets(load, monkeypatch):
    """Its point is that it does."""
    monkeypatch.setenv("CONTRACTAI_WEBHOOK_SECRET_OLD", "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZCE=")
    client = load("flask_contractai").app.test_client()
    for secret in (SAMPLE_SECRET, "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZCE="):
        assert (
            WebhookSender("contractai", secret).post(client, "/webhooks/contractai", "agent.created").status_code == 200
        )


def test_the_worker_example_works_later(load, caplog):
    """Its point is that it does."""
    module = load("flask_worker")
    module.inbox.stop()
    sender = WebhookSender("contractai", SAMPLE_SECRET)
    sender.post(module.app.test_client(), "/webhooks/contractai", "document.added")
    assert "document.added" not in caplog.text
    assert module.inbox.work_once()
    assert "document.added: attempt 1" in caplog.text


def test_the_fastapi_example_receives_its_platform(load):
    """People start from it."""
    from starlette.testclient import TestClient

    client = TestClient(load("fastapi_filedgr").app)
    sender = WebhookSender("filedgr", SAMPLE_SECRET)
    event = sender.event("vault.created")
    assert sender.send(client, "/webhooks/filedgr", event).json() == {"received": "vault.created"}
    assert sender.send(client, "/webhooks/filedgr", event).json() == {"status": "duplicate"}
    assert sender.send(client, "/webhooks/filedgr", event.tampered()).status_code == 401


def test_the_django_example_receives_its_platform(tmp_path):
    """People start from it. In a process of its own, because there is one Django per process."""
    program = (
        "import sys, asyncio; sys.path.insert(0, sys.argv[1]); import django_filedgr, django; django.setup()\n"
        "from django.test import Client; from hookwright.testing import WebhookSender\n"
        "sender = WebhookSender('filedgr', sys.argv[2]); event = sender.event('vault.created')\n"
        "for request in (event, event.tampered()):\n"
        "    print(sender.send(Client(enforce_csrf_checks=True), '/webhooks/filedgr', request).status_code)"
    )
    environment = {**os.environ, "FILEDGR_WEBHOOK_SECRET": SAMPLE_SECRET}
    command = [sys.executable, "-c", program, str(EXAMPLES), SAMPLE_SECRET]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout == "200\n401\n", done.stderr
