"""Flask: the extension, the decorator and the blueprint."""

import base64
import io
import json
import time

import pytest
from flask import Flask, abort, g, jsonify, request

from hookwright import ConfigurationError, Profile, Scheme, SecretError
from hookwright.dedupe import MemoryDedupe
from hookwright.flask import Hookwright
from hookwright.testing import SAMPLE_SECRET, WebhookSender

SECRET = "your-webhook-secret-key"


@pytest.fixture
def app():
    return Flask(__name__)


@pytest.fixture
def hooks(app):
    return Hookwright(app)


@pytest.fixture
def sender():
    return WebhookSender("filedgr", SECRET)


def test_a_verified_event_reaches_the_view(app, hooks, sender):
    """The quick start would not work."""
    seen = []

    @app.post("/webhooks/filedgr/<tenant>")
    @hooks.verified("filedgr", SECRET)
    def filedgr(event, tenant):
        seen.append((event.type, event.data["vaultId"], tenant, g.webhook is event))

    response = sender.post(app.test_client(), "/webhooks/filedgr/acme", "vault.created", {"vaultId": "vault_1"})
    assert (response.status_code, response.json) == (200, {"status": "ok"})
    assert seen == [("vault.created", "vault_1", "acme", True)]
    assert filedgr.__name__ == "filedgr"


def test_the_view_answers_as_it_likes(app, hooks, sender):
    """Platforms that want 202 or a body of their own could not be served."""

    @app.post("/hook")
    @hooks.verified("filedgr", SECRET)
    def hook(event):
        return jsonify(received=event.id), 202

    response = sender.post(app.test_client(), "/hook", "vault.created", {}, event_id="evt_1")
    assert (response.status_code, response.json) == (202, {"received": "evt_1"})


def test_an_async_view_works(app, hooks, sender):
    """Half of new Flask apps have async views."""

    @app.post("/hook")
    @hooks.verified("filedgr", SECRET)
    async def hook(event):
        return {"type": event.type}

    assert sender.post(app.test_client(), "/hook", "vault.created", {}).json == {"type": "vault.created"}


def test_the_view_can_still_read_the_request(app, hooks):
    """The body would be gone for whoever reads it after the verification."""
    sender = WebhookSender("x-webhook-signature", SECRET)

    @app.post("/hook")
    @hooks.verified("x-webhook-signature", SECRET)
    def hook(event):
        return {"json": request.get_json(), "data": request.get_data(as_text=True)}

    response = sender.send(app.test_client(), "/hook", sender.body(b'{"a": 1}'))
    assert response.json == {"json": {"a": 1}, "data": '{"a": 1}'}


def test_nothing_but_a_verified_event_reaches_the_view(app, hooks, sender):
    """Anyone who finds the URL could make things happen."""

    @app.post("/hook")
    @hooks.verified("filedgr", SECRET)
    def hook(event):
        raise AssertionError("called")

    client = app.test_client()
    good = sender.event("vault.created", {})
    unsigned = {name: value for name, value in good.headers.items() if name.startswith(("Content", "X-Filedgr-Event"))}
    for body, headers in [
        (good.body, {}),
        (good.body, unsigned),
        (good.tampered().body, good.headers),
        (good.body, WebhookSender("filedgr", "another secret altogether").event("vault.created", {}).headers),
        (b"", good.headers),
    ]:
        response = client.post("/hook", data=body, headers=headers)
        assert (response.status_code, response.json) == (401, {"error": "invalid_webhook"})
        assert response.headers["Cache-Control"] == "no-store"


def test_the_peer_learns_nothing_and_the_hook_learns_all(app, sender, caplog):
    """Reasons help attackers and are needed in the log; bodies and signatures belong into neither."""
    refusals = []
    hooks = Hookwright(app, on_error=refusals.append)

    @app.post("/hook")
    @hooks.verified("filedgr", SECRET)
    def hook(event):
        raise AssertionError("called")

    request_ = sender.event("vault.created", {"note": "personal"}).tampered()
    response = sender.send(app.test_client(), "/hook", request_)
    assert response.json == {"error": "invalid_webhook"}
    (refusal,) = refusals
    assert (refusal.endpoint, refusal.code, refusal.status, refusal.address) == (
        "filedgr",
        "signature_mismatch",
        401,
        "127.0.0.1",
    )
    assert "signature_mismatch" in caplog.text
    for private in (SECRET, "personal", *request_.headers.values()):
        assert private == "application/json" or private not in caplog.text + repr(refusal)


def test_a_broken_error_hook_does_not_change_the_answer(app, sender):
    """An alarm that fails would turn 401 into 500, and the attacker's request into a retry."""

    def fail(refusal):
        raise RuntimeError("the pager is out of order")

    hooks = Hookwright(app, on_error=fail)

    @app.post("/hook")
    @hooks.verified("filedgr", SECRET)
    def hook(event):
        raise AssertionError("called")

    assert sender.send(app.test_client(), "/hook", sender.event("vault.created", {}).tampered()).status_code == 401


@pytest.mark.parametrize("has_length", [True, False])
def test_a_body_that_is_too_long_is_413(app, hooks, has_length):
    """Anyone could fill the memory."""
    sender = WebhookSender("x-webhook-signature", SECRET)

    @app.post("/hook")
    @hooks.verified("x-webhook-signature", SECRET, max_body=100)
    def hook(event):
        return {"length": len(event.body)}

    client = app.test_client()
    assert sender.send(client, "/hook", sender.body(b"x" * 100)).json == {"length": 100}
    long = sender.body(b"x" * 101)
    if has_length:
        response = sender.send(client, "/hook", long)
    else:
        response = client.post(
            "/hook",
            input_stream=io.BytesIO(long.body),
            headers={**long.headers, "Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
    assert (response.status_code, response.json) == (413, {"error": "body_too_large"})


def test_the_tighter_of_two_limits_holds(app, hooks):
    """MAX_CONTENT_LENGTH would be lifted by a decorator that does not mention it."""
    app.config["MAX_CONTENT_LENGTH"] = 10
    sender = WebhookSender("x-webhook-signature", SECRET)

    @app.post("/hook")
    @hooks.verified("x-webhook-signature", SECRET, max_body=100)
    def hook(event):
        raise AssertionError("called")

    assert sender.send(app.test_client(), "/hook", sender.body(b"x" * 11)).status_code == 413


def test_handlers_are_chosen_by_type(app, hooks, sender):
    """Every app would write the same chain of ifs, and forget a branch."""
    blueprint = hooks.blueprint("filedgr", SECRET)
    calls = []

    @blueprint.on("vault.created")
    def created(event):
        calls.append(("created", event.type))

    @blueprint.on("vault.*")
    def vault(event):
        calls.append(("vault", event.type))

    @blueprint.on("stream.data_received", "stream.alert_triggered")
    async def stream(event):
        calls.append(("stream", event.type))

    app.register_blueprint(blueprint)
    client = app.test_client()
    for event_type in ("vault.created", "vault.accessed", "vault.a.b", "stream.alert_triggered"):
        assert sender.post(client, "/webhooks/filedgr", event_type, {}).status_code == 200
    assert calls == [
        ("created", "vault.created"),
        ("vault", "vault.accessed"),
        ("vault", "vault.a.b"),
        ("stream", "stream.alert_triggered"),
    ]
    # What nobody wants is no failure: retrying would not change it.
    response = sender.post(client, "/webhooks/filedgr", "other.thing", {})
    assert (response.status_code, response.json) == (200, {"status": "ignored"})
    blueprint.default(lambda event: calls.append(("default", event.type)))
    sender.post(client, "/webhooks/filedgr", "other.thing", {})
    assert calls[-1] == ("default", "other.thing")


def test_the_most_specific_pattern_wins_in_any_order(app, hooks):
    """The order of imports would decide which handler runs."""
    sender = WebhookSender("digivault", SECRET)
    blueprint = hooks.blueprint("digivault", SECRET, path="/dv")
    for pattern in ("*", "conversation.*", "conversation.message.*", "conversation.message.read"):
        blueprint.on(pattern)(lambda event, pattern=pattern: {"pattern": pattern})
    app.register_blueprint(blueprint)
    client = app.test_client()
    for event_type, pattern in {
        "conversation.message.read": "conversation.message.read",
        "conversation.message.created": "conversation.message.*",
        "conversation.created": "conversation.*",
        "conversation": "*",
        "contact.created": "*",
    }.items():
        assert sender.post(client, "/dv", event_type, {}).json == {"pattern": pattern}


@pytest.mark.parametrize("pattern", ["vault*", "*.created", "", "vault.", ".vault", "**", "vault.*.x", "a b"])
def test_a_pattern_that_matches_nothing_is_refused(hooks, pattern):
    """A handler that is never called looks like a platform that never sends."""
    with pytest.raises(ConfigurationError):
        hooks.blueprint("filedgr", SECRET).on(pattern)(print)


def test_two_handlers_for_one_event_are_refused(hooks):
    """Only one of them would run."""
    blueprint = hooks.blueprint("filedgr", SECRET)
    blueprint.on("vault.created")(print)
    with pytest.raises(ConfigurationError, match=r"vault\.created"):
        blueprint.on("vault.created")(print)


def test_versions_of_a_payload_have_handlers_of_their_own(app, hooks):
    """A new version of a payload would be handled as if it were the old one."""
    sender = WebhookSender("aetherflow", SECRET)
    blueprint = hooks.blueprint("aetherflow", SECRET, version_of=lambda event: event.data.get("version"))

    @blueprint.on("workflow.completed", version=2)
    def second(event):
        return {"handled": 2}

    @blueprint.on("workflow.completed")
    def any_version(event):
        return {"handled": "any"}

    app.register_blueprint(blueprint)
    client = app.test_client()
    for data, handled in (({"version": 2}, 2), ({"version": "2"}, 2), ({"version": 1}, "any"), ({}, "any")):
        response = sender.post(client, "/webhooks/aetherflow", "workflow.completed", data)
        assert response.json == {"handled": handled}


def test_a_scheme_without_a_profile_is_routed_by_what_it_signs(app, hooks):
    """GitHub's and Stripe's users would have to write the routing themselves."""
    stripe = hooks.blueprint("stripe", SECRET)
    stripe.on("invoice.paid")(lambda event: {"paid": event.data["data"]})
    github = hooks.blueprint("github", SECRET, event_type=lambda event: "ping" if "zen" in event.data else "push")
    github.on("ping")(lambda event: {"pong": event.data["zen"]})
    app.register_blueprint(stripe)
    app.register_blueprint(github)
    client = app.test_client()
    sender = WebhookSender("stripe", SECRET)
    assert sender.send(client, "/webhooks/stripe", sender.body(b'{"type":"invoice.paid","data":1}')).json == {"paid": 1}
    assert sender.send(client, "/webhooks/stripe", sender.body(b"[]")).json == {"status": "ignored"}
    assert sender.send(client, "/webhooks/stripe", sender.body(b"{")).status_code == 400
    sender = WebhookSender("github", SECRET)
    assert sender.send(client, "/webhooks/github", sender.body(b'{"zen":"quiet"}')).json == {"pong": "quiet"}


def test_endpoints_come_from_the_configuration(app, sender):
    """Apps with a factory read their secrets there."""
    hooks = Hookwright()

    @app.post("/hook")
    @hooks.verified("filedgr")
    def hook(event):
        return {"secret": event.secret_index}

    app.config["HOOKWRIGHT_ENDPOINTS"] = {"filedgr": {"secret": ["the new secret, in full", SECRET]}}
    hooks.init_app(app)
    assert sender.post(app.test_client(), "/hook", "vault.created", {}).json == {"secret": 1}


def test_two_apps_of_one_factory_have_endpoints_of_their_own(sender):
    """A test's app would verify with the secret of another's."""
    hooks = Hookwright()
    blueprint = hooks.blueprint("filedgr")
    apps = []
    for secret in (SECRET, "another secret altogether"):
        app = Flask(__name__)
        app.config["HOOKWRIGHT_ENDPOINTS"] = {"filedgr": {"secret": secret}}
        hooks.init_app(app)
        app.register_blueprint(blueprint)
        apps.append(app)
    statuses = [sender.post(app.test_client(), "/webhooks/filedgr", "vault.created", {}).status_code for app in apps]
    assert statuses == [200, 401]


@pytest.mark.parametrize("secret", [None, "", [], " padded secret for a test"])
def test_a_missing_secret_stops_the_start(app, hooks, secret):
    """The first delivery would find out, at night."""
    with pytest.raises((SecretError, ConfigurationError)):
        hooks.verified("filedgr", secret)
    with pytest.raises((SecretError, ConfigurationError)):
        hooks.blueprint("filedgr", secret)
    app.config["HOOKWRIGHT_ENDPOINTS"] = {"filedgr": {"secret": secret}}
    with pytest.raises(SecretError, match="filedgr"):
        Hookwright(app)


def test_a_name_that_nothing_has_stops_the_start(app, hooks):
    """A typing mistake would be a 500 per delivery."""
    with pytest.raises(ConfigurationError, match="HOOKWRIGHT_ENDPOINTS"):
        hooks.verified("filedgr")
    late = Hookwright()
    late.verified("filedgr")
    with pytest.raises(ConfigurationError, match="HOOKWRIGHT_ENDPOINTS"):
        late.init_app(app)
    with pytest.raises(ConfigurationError, match="profile=… or scheme=…"):
        hooks.add("fildegr", SECRET)
    hooks.add("sandbox", SECRET, profile="filedgr")
    with pytest.raises(ConfigurationError, match="already"):
        hooks.add("sandbox", SECRET, profile="filedgr")
    with pytest.raises(ConfigurationError, match="tolerence"):
        hooks.add("other", SECRET, profile="filedgr", tolerence=5)


def test_a_handled_event_is_not_handled_again(app, hooks, sender):
    """Senders repeat what they are not sure about, and attackers what they have seen."""
    calls = []
    blueprint = hooks.blueprint("filedgr", SECRET, dedupe=MemoryDedupe())
    blueprint.on("*")(lambda event: calls.append(event.id))
    app.register_blueprint(blueprint)
    client = app.test_client()
    for expected in ("ok", "duplicate", "duplicate"):
        response = sender.post(client, "/webhooks/filedgr", "vault.created", {}, event_id="evt_1")
        assert (response.status_code, response.json) == (200, {"status": expected})
    assert calls == ["evt_1"]


@pytest.mark.parametrize("failure", ["raises", "aborts", "answers 503", "invalid data"])
def test_an_event_whose_handler_failed_is_let_in_again(app, hooks, sender, failure):
    """It would be remembered as handled, and lost."""
    attempts = []
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.post("/hook")
    @hooks.verified("filedgr", SECRET, dedupe=MemoryDedupe())
    def hook(event):
        attempts.append(event.id)
        if len(attempts) == 1:
            if failure == "raises":
                raise RuntimeError("the database is away")
            if failure == "aborts":
                abort(503)
            if failure == "invalid data":
                from hookwright import InvalidPayloadError

                raise InvalidPayloadError("no such vault", code="invalid_payload")
            return "later", 503
        return None

    client = app.test_client()
    statuses = [sender.post(client, "/hook", "vault.created", {}, event_id="evt_1").status_code for _ in range(3)]
    assert statuses[0] == {"raises": 500, "aborts": 503, "answers 503": 503, "invalid data": 400}[failure]
    assert statuses[1:] == [200, 200]
    assert attempts == ["evt_1", "evt_1"]


def test_a_delivery_during_another_of_the_same_event_is_told_to_come_back(app, hooks, sender):
    """Two handlers would run at once, or a success would be reported for a handler that then fails."""
    client = app.test_client()
    inner = []

    @app.post("/hook")
    @hooks.verified("filedgr", SECRET, dedupe=MemoryDedupe())
    def hook(event):
        inner.append(sender.post(app.test_client(), "/hook", "vault.created", {}, event_id=event.id))

    assert sender.post(client, "/hook", "vault.created", {}, event_id="evt_1").status_code == 200
    (response,) = inner
    assert (response.status_code, response.json) == (409, {"status": "in_flight"})
    assert int(response.headers["Retry-After"]) > 0


def test_endpoints_do_not_share_ids(app, hooks):
    """Two platforms that both count from one would swallow each other's events."""
    store = MemoryDedupe()
    for name in ("generic", "aetherflow"):
        blueprint = hooks.blueprint(name, SECRET, dedupe=store)
        blueprint.on("*")(lambda event: None)
        app.register_blueprint(blueprint)
    for name in ("generic", "aetherflow"):
        sender = WebhookSender(name, SECRET)
        response = sender.post(app.test_client(), f"/webhooks/{name}", "user.joined", {}, event_id="evt_1")
        assert response.json == {"status": "ok"}


def test_dedupe_needs_something_signed_to_tell_events_by(app, hooks):
    """By an unsigned id an attacker could replay, and without one nothing would be deduped."""
    with pytest.raises(ConfigurationError, match="dedupe_key"):
        hooks.add("github", SECRET, dedupe=MemoryDedupe())
    sender = WebhookSender("stripe", SECRET)

    @app.post("/hook")
    @hooks.verified("stripe", SECRET, dedupe=MemoryDedupe(), dedupe_key=lambda event: event.data.get("id"))
    def hook(event):
        return None

    client = app.test_client()
    answers = [sender.send(client, "/hook", sender.body(b'{"id":"evt_1"}')).json["status"] for _ in range(2)]
    assert answers == ["ok", "duplicate"]
    assert sender.send(client, "/hook", sender.body(b"{}")).status_code == 400


SCHEMA = {
    "type": "object",
    "required": ["vaultId"],
    "properties": {"vaultId": {"type": "string"}, "sizes": {"type": "array", "items": {"type": "integer"}}},
}


def test_data_that_breaks_its_schema_is_400_with_details(app, hooks, sender):
    """Handlers would meet types that nobody promised them, one KeyError at a time."""
    calls = []
    blueprint = hooks.blueprint("filedgr", SECRET, validate={"vault.created": SCHEMA})
    blueprint.on("*")(lambda event: calls.append(event.type))
    app.register_blueprint(blueprint)
    client = app.test_client()
    response = sender.post(client, "/webhooks/filedgr", "vault.created", {"sizes": [1, "two"]})
    assert response.status_code == 400
    assert response.json["error"] == "invalid_payload"
    assert {detail["path"] for detail in response.json["details"]} == {"data", "data.sizes[1]"}
    assert sender.post(client, "/webhooks/filedgr", "vault.created", {"vaultId": "vault_1"}).status_code == 200
    # Platforms add event types, and that must not break a receiver.
    assert sender.post(client, "/webhooks/filedgr", "vault.brand_new", {"anything": 1}).status_code == 200
    assert calls == ["vault.created", "vault.brand_new"]


def test_an_unverified_body_is_never_validated(app, hooks, sender):
    """Strangers could feed the validator."""

    @app.post("/hook")
    @hooks.verified("filedgr", SECRET, validate={"vault.created": SCHEMA})
    def hook(event):
        raise AssertionError("called")

    assert sender.send(app.test_client(), "/hook", sender.event("vault.created", {}).tampered()).status_code == 401


def test_only_listed_addresses_get_in(app, hooks, sender):
    """A platform that publishes its addresses gives a second lock for free."""

    @app.post("/hook")
    @hooks.verified("filedgr", SECRET, allowed_addresses=["203.0.113.0/24", "2001:db8::/32"])
    def hook(event):
        return None

    client = app.test_client()
    good = sender.event("vault.created", {})
    for address, status in {
        "203.0.113.7": 200,
        "::ffff:203.0.113.7": 200,
        "2001:db8::1": 200,
        "203.0.114.7": 403,
        "127.0.0.1": 403,
        "": 403,
        "unix:": 403,
    }.items():
        response = client.post(
            "/hook", data=good.body, headers=good.headers, environ_overrides={"REMOTE_ADDR": address}
        )
        assert response.status_code == status, address
    with pytest.raises(ConfigurationError, match="allowed_addresses"):
        hooks.add("bad", SECRET, profile="filedgr", allowed_addresses=["203.0.113.7/24"])


def test_a_rate_limit_is_the_business_of_the_limiter(app, hooks, sender):
    """The ecosystem's limiter has to work with the blueprint and in front of the verification."""
    from flask_limiter import Limiter
    from flask_limiter.util import get_remote_address

    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://")
    blueprint = hooks.blueprint("filedgr", SECRET)
    blueprint.on("*")(lambda event: None)
    limiter.limit("2 per day")(blueprint)
    app.register_blueprint(blueprint)
    client = app.test_client()
    statuses = [sender.post(client, "/webhooks/filedgr", "vault.created", {}).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_statuses_can_be_those_that_the_platform_wants(app, hooks, sender):
    """Twilio and PagerDuty document 403."""

    @app.post("/hook")
    @hooks.verified("filedgr", SECRET, statuses={"signature_mismatch": 403})
    def hook(event):
        raise AssertionError("called")

    client = app.test_client()
    assert sender.send(client, "/hook", sender.event("vault.created", {}).tampered()).status_code == 403
    assert client.post("/hook").status_code == 401


@pytest.mark.parametrize("status", [200, 204, 302, 410, 999])
def test_a_refusal_is_never_a_success_and_never_gone(hooks, status):
    """A success swallows the event; after 410 senders disable the endpoint."""
    with pytest.raises(ConfigurationError, match=str(status)):
        hooks.add("filedgr", SECRET, statuses={"signature_mismatch": status})


def test_only_post_is_served(app, hooks):
    """Crawlers would look like forgeries in the log."""
    blueprint = hooks.blueprint("filedgr", SECRET)
    app.register_blueprint(blueprint)
    assert app.test_client().get("/webhooks/filedgr").status_code == 405


def test_a_scheme_that_signs_the_url_gets_the_url_of_the_sender(app, hooks):
    """Behind a proxy no request would verify."""
    secret = "a secret for this test"
    sender = WebhookSender("square", secret)

    @app.post("/direct")
    @hooks.verified("square", secret)
    def direct(event):
        return None

    hooks.add("proxied", secret, scheme="square", url="https://example.com/public")

    @app.post("/behind")
    @hooks.verified("proxied")
    def behind(event):
        return None

    client = app.test_client()
    assert sender.send(client, "/direct", sender.body(b"{}", url="http://localhost/direct")).status_code == 200
    assert sender.send(client, "/behind", sender.body(b"{}", url="https://example.com/public")).status_code == 200
    assert sender.send(client, "/behind", sender.body(b"{}", url="http://localhost/behind")).status_code == 401


@pytest.mark.parametrize("name", Profile.builtin_names())
def test_every_built_in_profile_is_received(app, hooks, name):
    """A platform that is promised would not work."""
    secret = SAMPLE_SECRET
    blueprint = hooks.blueprint(name, secret)
    blueprint.on("*")(lambda event: {"type": event.type, "data": event.data})
    app.register_blueprint(blueprint)
    sender = WebhookSender(name, secret)
    types = [event_type.name for event_type in Profile.builtin(name).event_types] or ["user.created"]
    for event_type in types:
        sample = next((t.sample for t in Profile.builtin(name).event_types if t.name == event_type), None)
        data = json.loads(sample) if sample else {"id": 1}
        response = sender.post(app.test_client(), f"/webhooks/{name}", event_type, data)
        assert (response.status_code, response.json) == (200, {"type": event_type, "data": data})


def key_pair(scheme):
    """What to sign and what to verify with: the same, but for the two schemes that have no shared secret."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if scheme == "discord":
        private = ed25519.Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        return (private.private_bytes_raw() + public).hex(), public.hex()
    if scheme == "sendgrid":
        private = ec.generate_private_key(ec.SECP256R1())
        der = serialization.Encoding.DER
        pkcs8 = private.private_bytes(der, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        spki = private.public_key().public_bytes(der, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(pkcs8).decode(), base64.b64encode(spki).decode()
    return SAMPLE_SECRET, SAMPLE_SECRET


@pytest.mark.parametrize("name", Scheme.builtin_names())
def test_every_built_in_scheme_is_received(app, hooks, name):
    """A platform that is promised would not work."""
    signing, verifying = key_pair(name)
    hooks.add("under-test", verifying, scheme=name)

    @app.post("/hook")
    @hooks.verified("under-test")
    def hook(event):
        return {"scheme": event.scheme}

    sender = WebhookSender(Scheme.builtin(name), signing)
    # Linear has its time in the body.
    request_ = sender.body(b'{"webhookTimestamp":%d}' % (time.time() * 1000), url="http://localhost/hook")
    headers = request_.headers | {"Content-Type": "application/octet-stream"}
    response = app.test_client().post("/hook", data=request_.body, headers=headers)
    assert response.json == {"scheme": name}, response.status
