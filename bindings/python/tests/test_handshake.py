"""What platforms ask an endpoint before they send."""

import hashlib
import hmac
import json

import pytest
from flask import Flask
from test_frameworks import ADAPTERS, Handler

from hookwright import ConfigurationError, Webhook
from hookwright.flask import Hookwright
from hookwright.testing import SAMPLE_SECRET, SignedRequest, WebhookSender

BLUEPRINTS = [adapter for adapter in ADAPTERS if adapter.__name__ not in {"flask_decorator"}]


@pytest.fixture(params=BLUEPRINTS, ids=lambda adapter: adapter.__name__)
def adapter(request):
    return request.param


def test_a_signed_question_is_answered_with_the_secret(adapter):
    """Zoom takes an endpoint out of service that does not answer."""
    handler = Handler()
    post = adapter("zoom", handler, {})
    sender = WebhookSender("zoom", SAMPLE_SECRET)
    body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}'
    status, answer, _ = post(sender.body(body))
    proof = hmac.new(SAMPLE_SECRET.encode(), b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    assert status == 200
    assert json.loads(answer) == {"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": proof}
    # Who cannot sign is not answered: it would get a MAC of its choice.
    assert post(sender.body(body).tampered())[0] == 401
    assert handler.events == []
    # And everything else is a delivery.
    assert post(sender.body(b'{"event":"meeting.started"}'))[0] == 200
    assert len(handler.events) == 1


def flask_app(name, **options):
    app = Flask(__name__)
    app.register_blueprint(Hookwright(app).blueprint(name, SAMPLE_SECRET, path="/hook", **options))
    return app.test_client()


def test_a_challenge_is_echoed_as_text():
    """Dropbox asks by GET, and an answer in HTML would be a place for other people's scripts."""
    client = flask_app("dropbox")
    response = client.get("/hook?challenge=abc123")
    assert (response.status_code, response.text) == (200, "abc123")
    assert response.headers["Content-Type"].startswith("text/plain")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/hook?challenge=%3Cscript%3E").status_code == 400
    assert client.get("/hook").status_code == 405


def test_a_verify_token_has_to_be_the_right_one():
    """Anyone could subscribe the endpoint to something."""
    question = "/hook?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    client = flask_app("meta", verify_token="meatyhamhock")
    response = client.get(question + "meatyhamhock")
    assert (response.status_code, response.text) == (200, "1158201444")
    assert client.get(question + "other").status_code == 403
    assert flask_app("meta").get(question + "meatyhamhock").status_code == 403


def test_handshakes_can_be_left_to_the_app():
    """Who answers them elsewhere must not have two answers."""
    assert flask_app("dropbox", handshake=False).get("/hook?challenge=abc123").status_code == 405


def test_a_platform_without_a_handshake_has_none():
    """Requests that are no deliveries would be looked at for nothing."""
    webhook = Webhook(SAMPLE_SECRET)
    assert not webhook.has_handshake
    assert webhook.handshake("GET", "/", {}, b"") is None
    assert Webhook(SAMPLE_SECRET, scheme="dropbox").handshake("POST", "/", {}, b"{}") is None


def test_other_methods_can_be_let_in():
    """Some platforms send by PUT."""
    sender = WebhookSender("generic", SAMPLE_SECRET)
    client = flask_app("generic", methods=["PUT"])
    signed: SignedRequest = sender.event("user.created", {})
    assert client.put("/hook", data=signed.body, headers=signed.headers).status_code == 200
    response = client.post("/hook", data=signed.body, headers=signed.headers)
    assert (response.status_code, response.headers["Allow"]) == (405, "PUT")


def test_a_handshake_without_a_scheme_is_chosen_by_name():
    """CloudEvents senders ask by OPTIONS, and nobody would answer."""
    client = flask_app("generic", handshake="cloudevents", allowed_origins=["eventemitter.example.com"])
    asked = {"WebHook-Request-Origin": "eventemitter.example.com"}
    response = client.options("/hook", headers=asked)
    assert (response.status_code, response.headers["WebHook-Allowed-Origin"]) == (200, "eventemitter.example.com")
    assert client.options("/hook", headers={"WebHook-Request-Origin": "other.example.com"}).status_code == 403
    with pytest.raises(ConfigurationError, match="cloudevents") as refused:
        flask_app("generic", handshake="no such")
    assert refused.value.code == "unknown_handshake"
