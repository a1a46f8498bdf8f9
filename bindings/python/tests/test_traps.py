"""The traps in the sample code of five platforms, each as a test that fails if we walk into it.

The numbers run through all the traps, so some are missing here: those that only a sender can walk into, or another
language. Every test does what the platform's own sample code stumbles over.
"""

import io
import json
import logging
import threading

import pytest
from flask import Flask, request

from hookwright import (
    BodyConsumedError,
    MalformedHeaderError,
    MissingHeaderError,
    Profile,
    SecretError,
    VerifiedWebhook,
    Webhook,
    WebhookVerificationError,
)
from hookwright.dedupe import ClaimState, MemoryDedupe, SqliteDedupe
from hookwright.flask import Hookwright
from hookwright.testing import WebhookSender

SECRET = "your-webhook-secret-key"
PLATFORMS = ["filedgr", "digivault", "aetherflow", "contractai", "generic"]
HEX_SCHEMES = {
    "filedgr": "X-Filedgr-Signature",
    "digivault": "X-DigiVault-Signature",
    "aetherflow": "X-AetherFlow-Signature",
    "x-webhook-signature": "X-Webhook-Signature",
}


def received_by(name, path="/hook", **options):
    """An app with one endpoint, and what its view was called with."""
    app = Flask(__name__)
    hooks = Hookwright(app)
    events = []

    @app.post(path)
    @hooks.verified(name, SAMPLE[name], **options)
    def hook(event):
        events.append(event)

    return app, events


SAMPLE = dict.fromkeys([*PLATFORMS, *HEX_SCHEMES], SECRET)
SAMPLE["contractai"] = "whsec_dGVzdHMtb25seS1uZXZlci1pbi1wcm9kdWN0aW9uISE="


@pytest.mark.parametrize("name", PLATFORMS)
def test_trap_01_and_10_a_missing_header_is_401_and_not_a_crash(name):
    """`compare_digest(None, …)` raises TypeError: 500, and the sender retries for hours."""
    app, events = received_by(name)
    response = app.test_client().post("/hook", data=b"{}", content_type="application/json")
    assert (response.status_code, events) == (401, [])
    with pytest.raises(MissingHeaderError):
        Webhook(SAMPLE[name], profile=name).verify(b"{}", {})


@pytest.mark.parametrize("name", HEX_SCHEMES)
@pytest.mark.parametrize("value", ["your-test-signature", "test_signature", "00", "0" * 63, "0" * 65, "0" * 4096])
def test_trap_02_a_signature_of_another_length_is_malformed(name, value):
    """The documents' own curl examples crash the documents' own receivers."""
    with pytest.raises(MalformedHeaderError) as refused:
        Webhook(SECRET, scheme=name).verify(b"{}", {HEX_SCHEMES[name]: value})
    assert refused.value.code == "malformed_signature"


@pytest.mark.parametrize("name", HEX_SCHEMES)
def test_trap_03_and_11_characters_beyond_ascii_are_malformed(name):
    """`compare_digest` of such strings raises TypeError; 64 of them have the length of a signature."""
    for value in ("é" * 64, "é" * 32, "\u0661" * 64, "\uff10" * 64):
        with pytest.raises(MalformedHeaderError):
            Webhook(SECRET, scheme=name).verify(b"{}", {HEX_SCHEMES[name]: value})


@pytest.mark.parametrize("name", HEX_SCHEMES)
@pytest.mark.parametrize("junk", ["zzzz", " ", "\t", "\n", "00", "=", ",", "g"])
def test_trap_04_a_right_signature_with_junk_behind_it_is_refused(name, junk):
    """A decoder that stops at the first bad digit accepts it."""
    webhook = Webhook(SECRET, scheme=name)
    value = webhook.sign(b"{}")[HEX_SCHEMES[name]]
    for bad in (value + junk, junk + value):
        with pytest.raises(WebhookVerificationError):
            webhook.verify(b"{}", {HEX_SCHEMES[name]: bad})


TRICKY = [
    b'{ "a" : 1 }',
    b'{"price":1.0}',
    b'{"note":"\\u00e9"}',
    b'{"2":0,"1":0}',
    b'{"big":9007199254740993}',
    b'{"a":1,"a":2}',
    b'{"a":1}\r\n',
    b"\xef\xbb\xbf{}",
    b"",
]


@pytest.mark.parametrize("body", TRICKY)
def test_trap_05_the_bytes_are_verified_and_not_what_they_parse_to(body):
    """Writing parsed JSON again changes it, and valid requests are refused."""
    app, events = received_by("x-webhook-signature")
    sender = WebhookSender("x-webhook-signature", SECRET)
    response = sender.send(app.test_client(), "/hook", sender.body(body))
    assert response.status_code == 200
    assert events[0].body == body


def test_trap_05_and_07_a_body_that_was_parsed_before_is_an_error_that_says_so(caplog):
    """It would look like a forgery, and cost somebody a day."""
    app = Flask(__name__)
    errors = []
    hooks = Hookwright(app, on_error=lambda refusal: errors.append(refusal.error))

    @app.before_request
    def reads_the_form_first():
        request.form.get("anything")

    @app.post("/hook")
    @hooks.verified("x-webhook-signature", SECRET)
    def hook(event):
        raise AssertionError("called")

    sender = WebhookSender("x-webhook-signature", SECRET)
    signed = sender.body(b"a=1&b=2").with_header("Content-Type", "application/x-www-form-urlencoded")
    with caplog.at_level(logging.ERROR):
        response = sender.send(app.test_client(), "/hook", signed)
    assert response.status_code == 500, "our own mistake, and not the sender's"
    assert isinstance(errors[0], BodyConsumedError)
    assert errors[0].code == "body_consumed"
    assert "before_request" in caplog.text


CONTENT_TYPES = [
    "application/json",
    "application/json; charset=latin-1",
    "application/cloudevents+json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "",
    None,
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_trap_08_and_13_the_body_is_captured_whatever_its_type(content_type):
    """`request.data` is empty for forms, and a capture for JSON only misses everything else."""
    app, events = received_by("x-webhook-signature")
    sender = WebhookSender("x-webhook-signature", SECRET)
    signed = sender.body(b"a=1&b=%7B%7D")
    headers = {name: value for name, value in signed.headers.items() if name != "Content-Type"}
    response = app.test_client().post("/hook", data=signed.body, headers=headers, content_type=content_type)
    assert response.status_code == 200
    assert events[0].body == signed.body


def test_trap_09_verify_then_parse_then_validate_is_one_pipeline():
    """Validation needs the parsed body and verification the raw one; by hand one of them gets the wrong thing."""
    schema = {"type": "object", "required": ["vaultId"]}
    app, events = received_by("filedgr", validate={"vault.created": schema})
    sender = WebhookSender("filedgr", SECRET)
    client = app.test_client()
    assert sender.post(client, "/hook", "vault.created", {"vaultId": "v"}).status_code == 200
    assert sender.post(client, "/hook", "vault.created", {}).status_code == 400
    assert sender.send(client, "/hook", sender.event("vault.created", {}).tampered()).status_code == 401
    assert [event.data for event in events] == [{"vaultId": "v"}]


@pytest.mark.parametrize("body", [b'{"a":"\xff"}', b"\x80", b'"\xed\xa0\x80"', "é".encode("latin-1")])
def test_trap_12_bytes_that_are_not_utf8_are_verified_as_they_are(body):
    """Decoding with replacement characters changes the bytes."""
    app, events = received_by("x-webhook-signature")
    sender = WebhookSender("x-webhook-signature", SECRET)
    assert sender.send(app.test_client(), "/hook", sender.body(body)).status_code == 200
    assert events[0].body == body


@pytest.mark.parametrize("secret", [None, ""])
def test_trap_14_and_15_a_secret_that_is_not_set_stops_the_start(secret):
    """`os.environ.get` gives None: a crash per delivery, or an empty key that anyone can sign with."""
    with pytest.raises(SecretError) as refused:
        Hookwright(Flask(__name__)).verified("aetherflow", secret, scheme="aetherflow")
    assert refused.value.code == "empty_secret"


@pytest.mark.parametrize("name", HEX_SCHEMES)
def test_trap_16_hex_digits_of_either_case_are_the_same_signature(name):
    """Some receivers compare strings and refuse what others accept."""
    webhook = Webhook(SECRET, scheme=name)
    value = webhook.sign(b"{}")[HEX_SCHEMES[name]]
    assert webhook.verify(b"{}", {HEX_SCHEMES[name]: value.upper()})


def test_trap_16_a_body_without_end_is_cut_off():
    """`ReadAll` on a stream that does not end fills the memory."""
    app, events = received_by("x-webhook-signature", max_body=1000)

    class Endless(io.RawIOBase):
        taken = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            self.taken += len(buffer)
            assert self.taken < 1_000_000, "reads on and on"
            return len(buffer)

    stream = Endless()
    response = app.test_client().post(
        "/hook",
        headers={"X-Webhook-Signature": "0" * 64, "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input": stream, "wsgi.input_terminated": True},
    )
    assert (response.status_code, events) == (413, [])


def test_trap_18_either_spelling_of_a_renamed_header_is_read_and_two_that_differ_are_not():
    """DigiVault's Node and Python samples name different headers: half of the users never verify."""
    webhook = Webhook(SECRET, scheme="digivault")
    value = webhook.sign(b"{}")["X-DigiVault-Signature"]
    assert webhook.verify(b"{}", {"X-DigiVault-Signature": value})
    assert webhook.verify(b"{}", {"X-BitVault-Signature": value})
    assert webhook.verify(b"{}", {"X-DigiVault-Signature": value, "X-BitVault-Signature": value})
    with pytest.raises(MalformedHeaderError) as refused:
        webhook.verify(b"{}", {"X-DigiVault-Signature": value, "X-BitVault-Signature": "0" * 64})
    assert refused.value.code == "duplicate_header"


@pytest.mark.parametrize(
    ("header", "value"), [("X-Filedgr-Event-Type", "vault.accessed"), ("X-Filedgr-Event-ID", "evt_2")]
)
def test_trap_20_a_relabelled_delivery_is_refused(header, value):
    """These headers are not signed, and whoever captured a delivery could choose the handler that gets it."""
    app, events = received_by("filedgr")
    sender = WebhookSender("filedgr", SECRET)
    relabelled = sender.event("vault.created", {}, event_id="evt_1").with_header(header, value)
    response = sender.send(app.test_client(), "/hook", relabelled)
    assert (response.status_code, events) == (401, [])


def test_trap_20_handlers_are_chosen_by_the_signed_body():
    """Without the headers a delivery is as good as with them."""
    app, events = received_by("filedgr")
    sender = WebhookSender("filedgr", SECRET)
    event = sender.event("vault.created", {})
    headers = {name: value for name, value in event.headers.items() if not name.startswith("X-Filedgr-Event")}
    assert app.test_client().post("/hook", data=event.body, headers=headers).status_code == 200
    assert events[0].type == "vault.created"


@pytest.mark.parametrize("name", PLATFORMS)
def test_trap_21_a_replay_is_recognised(name, clock):
    """The platforms' own signatures have no time in them, so a captured delivery is good for ever."""
    app, events = received_by(name, dedupe=MemoryDedupe(), clock=clock)
    sender = WebhookSender(name, SAMPLE[name], clock=clock)
    captured = sender.event("some.thing", {}, event_id="evt_1")
    client = app.test_client()
    assert sender.send(client, "/hook", captured).json == {"status": "ok"}
    clock.advance(60)
    assert sender.send(client, "/hook", captured).json == {"status": "duplicate"}
    assert len(events) == 1
    # hookwright's own deliveries carry a signed time as well, and after a while they are not even looked at.
    clock.advance(3600)
    assert sender.send(client, "/hook", captured).status_code == 401


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_trap_22_two_deliveries_at_once_run_one_handler(kind, tmp_path):
    """Asking `id in processed` and adding it later lets both in."""
    store = MemoryDedupe() if kind == "memory" else SqliteDedupe(tmp_path / "dedupe.db")
    barrier = threading.Barrier(8)
    states = []

    def deliver():
        barrier.wait()
        states.append(store.claim("filedgr:evt_1").state)

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(state.value for state in states) == ["in_flight"] * 7 + ["new"]


def test_trap_22_what_is_remembered_survives_a_restart(tmp_path):
    """A set in memory is empty after every deployment."""
    claim = SqliteDedupe(tmp_path / "dedupe.db").claim("evt_1")
    assert SqliteDedupe(tmp_path / "dedupe.db").done(claim)
    assert SqliteDedupe(tmp_path / "dedupe.db").claim("evt_1").state is ClaimState.DONE


def test_trap_23_the_oldest_id_makes_room_and_not_any(clock):
    """`next(iter(set))` may drop the id that was added just now."""
    store = MemoryDedupe(max_entries=100, clock=clock)
    for number in range(150):
        assert store.done(store.claim(f"evt_{number}"))
    assert len(store) == 100
    states = [store.claim(f"evt_{number}").state for number in range(51, 150)]
    assert set(states) == {ClaimState.DONE}


def test_trap_24_a_handler_gets_nothing_but_a_verified_event():
    """Samples that show a handler without the verification get copied without it."""
    app, events = received_by("generic")
    client = app.test_client()
    client.post("/hook", json={"id": "evt_1", "type": "user.created", "created_at": "2024-01-15T10:30:00Z", "data": {}})
    assert events == []
    sender = WebhookSender("generic", SECRET)
    sender.post(client, "/hook", "user.created", {})
    assert isinstance(events[0], VerifiedWebhook)
    with pytest.raises(TypeError):
        VerifiedWebhook()


def test_trap_25_success_is_answered_after_the_handler_and_not_before():
    """Answering 200 and failing afterwards loses the event: the sender will not try again."""
    app = Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    hooks = Hookwright(app)

    @app.post("/hook")
    @hooks.verified("generic", SECRET, dedupe=MemoryDedupe())
    def hook(event):
        raise RuntimeError("the handler failed")

    sender = WebhookSender("generic", SECRET)
    responses = [sender.post(app.test_client(), "/hook", "user.created", {}, event_id="evt_1") for _ in range(2)]
    assert [response.status_code for response in responses] == [500, 500], "and the retry is tried"


def test_trap_34_data_of_another_shape_than_documented_is_told_before_the_handler_trips():
    """AetherFlow's handler reads `data.integration.id` where the payload has a string."""
    schema = {
        "type": "object",
        "properties": {"integration": {"type": "object", "required": ["id"]}},
        "required": ["integration"],
    }
    app, events = received_by("aetherflow", validate={"integration.error": schema})
    sender = WebhookSender("aetherflow", SECRET)
    response = sender.post(app.test_client(), "/hook", "integration.error", {"integration": "Slack"})
    assert response.status_code == 400
    assert response.json["details"][0]["path"] == "data.integration"
    assert events == []


def test_trap_35_the_log_holds_no_secret_no_signature_and_no_payload(caplog):
    """Debug helpers that log everything hand customers' data to whoever reads logs."""
    app, _ = received_by("filedgr")
    sender = WebhookSender("filedgr", SECRET)
    good = sender.event("vault.created", {"name": "private name"}).with_header("Authorization", "Bearer private-token")
    with caplog.at_level(logging.DEBUG):
        for request_ in (good, good.tampered(), good.with_header("X-Filedgr-Event-Type", "other")):
            sender.send(app.test_client(), "/hook", request_)
    assert "signature_mismatch" in caplog.text
    signatures = [value for name, value in good.headers.items() if "signature" in name.lower()]
    for private in (SECRET, "private name", "private-token", *signatures):
        assert private not in caplog.text


def test_trap_36_every_endpoint_has_its_own_secret():
    """One WEBHOOK_SECRET for all platforms lets each of them speak for the others."""
    app = Flask(__name__)
    app.config["HOOKWRIGHT_ENDPOINTS"] = {
        "filedgr": {"secret": "the secret of filedgr"},
        "generic": {"secret": "the secret of generic"},
    }
    hooks = Hookwright(app)
    for name in ("filedgr", "generic"):
        app.register_blueprint(hooks.blueprint(name))
    for name, status in (("filedgr", 200), ("generic", 401)):
        sender = WebhookSender(name, "the secret of filedgr")
        assert sender.post(app.test_client(), f"/webhooks/{name}", "some.thing", {}).status_code == status


def test_trap_38_a_signature_inside_the_body_is_not_looked_at():
    """ContractAI's drawing puts it there; it cannot sign itself."""
    webhook = Webhook(SAMPLE["contractai"], profile="contractai")
    body = Profile.builtin("contractai").render("evt_1", "agent.created", b"{}", 0)
    with_copy = body[:-1] + b',"signature":{"algorithm":"HMAC","value":"0"}}'
    with pytest.raises(MissingHeaderError):
        webhook.verify(with_copy, {})
    assert webhook.verify(with_copy, webhook.sign(with_copy, id="evt_1")).type == "agent.created"


def test_trap_39_text_arrives_as_it_was_sent():
    """`settings → Webhooks` read in the wrong encoding becomes `settings â†’ Webhooks`."""
    app, events = received_by("digivault")
    sender = WebhookSender("digivault", SECRET)
    text = "API settings → Webhooks, ñ, 日本, 😀"
    signed = sender.webhook
    body = sender.profile.render("evt_1", "contact.created", json.dumps({"t": text}, ensure_ascii=False).encode(), 0)
    response = app.test_client().post("/hook", data=body, headers=signed.sign(body, id="evt_1"))
    assert response.status_code == 200
    assert events[0].data == {"t": text}


def test_trap_40_a_refusal_is_the_same_for_every_reason():
    """Reasons that reach the peer tell strangers how the receiver is set up."""
    app, _ = received_by("filedgr")
    sender = WebhookSender("filedgr", SECRET)
    good = sender.event("vault.created", {})
    client = app.test_client()
    refused = [
        client.post("/hook", data=good.body),
        sender.send(client, "/hook", good.tampered()),
        sender.send(client, "/hook", good.with_header("X-Filedgr-Signature", "zz")),
        sender.send(client, "/hook", good.with_header("X-Filedgr-Event-Type", "other")),
    ]
    for response in refused:
        assert (response.status_code, response.data) == (401, b'{"error":"invalid_webhook"}')
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
