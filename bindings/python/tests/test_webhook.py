"""`Webhook`: the core, as Python calls it."""

import base64
import copy
import email.message
import pickle
import threading
import types
from datetime import timedelta

import pytest

import hookwright
from hookwright import (
    ConfigurationError,
    HookwrightError,
    InvalidPayloadError,
    MalformedHeaderError,
    MissingHeaderError,
    Profile,
    Scheme,
    SecretError,
    SignatureMismatchError,
    TimestampTooNewError,
    TimestampTooOldError,
    VerifiedWebhook,
    Webhook,
    WebhookVerificationError,
)

NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NOW = 1_705_314_600
BODY = b'{"type":"user.created","data":{"id":"user_1"}}'


@pytest.fixture
def webhook():
    return Webhook(NEW)


@pytest.fixture
def headers(webhook):
    return webhook.sign(BODY, id="msg_1", timestamp=NOW)


def test_a_signed_request_is_verified(webhook, headers):
    """The whole package would be pointless."""
    event = webhook.verify(BODY, headers, now=NOW)
    assert (event.id, event.timestamp, event.scheme, event.secret_index) == ("msg_1", NOW, "standard-webhooks", 0)
    assert event.body is BODY
    assert event.json() == {"type": "user.created", "data": {"id": "user_1"}}


def test_a_profile_gives_type_and_data():
    """Handlers could not be chosen by type."""
    profile = Profile.builtin("filedgr")
    webhook = Webhook("your-webhook-secret-key", profile=profile)
    body = profile.render("evt_1", "vault.created", b'{"vaultId": "vault_1"}', NOW * 1000)
    signed = webhook.sign(body, id="evt_1", timestamp=NOW)
    event = webhook.verify(body, signed, now=NOW)
    assert (event.id, event.type, event.data) == ("evt_1", "vault.created", {"vaultId": "vault_1"})
    assert event.occurred_at_ms == NOW * 1000
    assert event.data is event.data, "parsed again on every access"


# What frameworks and servers pass headers in.


class ItemsOnly:
    def __init__(self, pairs):
        self.pairs = pairs

    def items(self):
        return iter(self.pairs)


class MultiItems(ItemsOnly):
    def multi_items(self):
        return self.pairs

    def items(self):
        raise AssertionError("items() of such objects joins what came twice")


def message(pairs):
    made = email.message.Message()
    for name, value in pairs:
        made[name] = value
    return made


def werkzeug_headers(pairs):
    from werkzeug.datastructures import Headers

    return Headers(pairs)


def starlette_headers(pairs):
    from starlette.datastructures import Headers

    return Headers(raw=[(name.lower().encode(), value.encode()) for name, value in pairs])


def httpx_headers(pairs):
    import httpx

    return httpx.Headers(pairs)


SHAPES = {
    "dict": dict,
    "dict with lists": lambda pairs: {name: [value] for name, value in pairs},
    "dict of bytes": lambda pairs: {name.encode(): value.encode() for name, value in pairs},
    "mapping proxy": lambda pairs: types.MappingProxyType(dict(pairs)),
    "list": list,
    "tuple": tuple,
    "list of lists": lambda pairs: [list(pair) for pair in pairs],
    "generator": lambda pairs: (pair for pair in pairs),
    "asgi": lambda pairs: [(name.lower().encode(), value.encode()) for name, value in pairs],
    "items": ItemsOnly,
    "multi_items": MultiItems,
    "email": message,
    "werkzeug": werkzeug_headers,
    "starlette": starlette_headers,
    "httpx": httpx_headers,
}


@pytest.mark.parametrize("spelling", [str, str.lower, str.upper, str.title])
@pytest.mark.parametrize("shape", SHAPES)
def test_headers_are_read_from_every_kind_of_object(webhook, headers, shape, spelling):
    """Users of some framework would get missing_header for headers that are there."""
    pairs = [
        ("Host", "example.com"),
        *((spelling(name), value) for name, value in headers.items()),
        ("X-Other", "other"),
    ]
    assert webhook.verify(BODY, SHAPES[shape](pairs), now=NOW).id == "msg_1"


REPEATING = ["list", "tuple", "generator", "asgi", "items", "multi_items", "email", "werkzeug", "starlette", "httpx"]


@pytest.mark.parametrize("shape", REPEATING)
@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_came_twice_is_seen_twice(webhook, headers, shape, name):
    """A proxy and this receiver could each read another one of the two."""
    pairs = [*headers.items(), (name.title(), headers[name])]
    with pytest.raises(MalformedHeaderError) as refused:
        webhook.verify(BODY, SHAPES[shape](pairs), now=NOW)
    assert (refused.value.code, refused.value.header) == ("duplicate_header", name)


@pytest.mark.parametrize("repeated", ["two spellings", "a list", "a tuple"])
def test_a_dict_can_hold_a_header_twice_and_that_is_seen(webhook, headers, repeated):
    """Lower case first would hide the second spelling."""
    value = headers["webhook-id"]
    twice = {
        "two spellings": {"Webhook-Id": value},
        "a list": {"webhook-id": [value, value]},
        "a tuple": {"webhook-id": (value, "msg_2")},
    }[repeated]
    with pytest.raises(MalformedHeaderError) as refused:
        webhook.verify(BODY, {**headers, **twice}, now=NOW)
    assert refused.value.code == "duplicate_header"


def test_a_stranger_cannot_make_us_keep_thousands_of_headers(webhook, headers):
    """Memory would grow with what strangers send."""
    many = [*headers.items(), *(("webhook-signature", "v1,x") for _ in range(10_000))]
    with pytest.raises(MalformedHeaderError) as refused:
        webhook.verify(BODY, many, now=NOW)
    assert refused.value.code == "duplicate_header"


def test_absent_headers_may_be_none_or_empty_lists(webhook, headers):
    """Dictionaries with a None per absent header are common."""
    assert webhook.verify(BODY, {**headers, "webhook-other": None, "x": None}, now=NOW)
    for nothing in (None, [], ()):
        with pytest.raises(MissingHeaderError) as refused:
            webhook.verify(BODY, {**headers, "webhook-id": nothing}, now=NOW)
        assert (refused.value.code, refused.value.header) == ("missing_header", "webhook-id")


@pytest.mark.parametrize("wrong", ["webhook-id: x", b"webhook-id: x", 5, None, [1], [("a", "b", "c")], [(1, "x")]])
def test_headers_that_are_none_are_a_mistake_of_the_caller(webhook, wrong):
    """A programming error would look like a forged request."""
    with pytest.raises(TypeError):
        webhook.verify(BODY, wrong)


@pytest.mark.parametrize("wrong", [5, [5], {"a": "b"}, ["x", None]])
def test_a_header_value_of_the_wrong_kind_is_a_mistake_of_the_caller(webhook, headers, wrong):
    """A programming error would look like a forged request."""
    with pytest.raises(TypeError, match="webhook-id"):
        webhook.verify(BODY, {**headers, "webhook-id": wrong}, now=NOW)


@pytest.mark.parametrize("text", ["é" * 64, "\udcff", "\u20ac", "\x00", "v1," + "é" * 22])
def test_no_header_text_makes_it_raise_anything_else(webhook, headers, text):
    """Strangers choose headers; a UnicodeError would be a 500 and a retry storm."""
    for name in headers:
        with pytest.raises(WebhookVerificationError):
            webhook.verify(BODY, {**headers, name: text}, now=NOW)
    webhook.verify(BODY, {**headers, text: text, "x-other": text}, now=NOW)


def test_text_beyond_ascii_is_compared_as_the_bytes_that_were_sent():
    """Servers decode headers as Latin-1; an id in UTF-8 would seem to contradict the body."""
    profile = Profile.builtin("filedgr")
    webhook = Webhook("your-webhook-secret-key", profile=profile)
    body = profile.render("évt_1", "vault.created", b"{}", 0)
    signed = Webhook("your-webhook-secret-key", scheme="filedgr").sign(body)
    as_decoded_by_a_server = "évt_1".encode().decode("latin-1")
    for text in (as_decoded_by_a_server, "évt_1".encode()):
        assert webhook.verify(body, {**signed, "X-Filedgr-Event-ID": text}).id == "évt_1"
    with pytest.raises(WebhookVerificationError) as refused:
        webhook.verify(body, {**signed, "X-Filedgr-Event-ID": "evt_2"})
    assert (refused.value.code, refused.value.header) == ("header_mismatch", "X-Filedgr-Event-ID")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bodies_are_bytes_of_any_kind(webhook, headers, kind):
    """Some frameworks hand out memoryviews."""
    event = webhook.verify(kind(BODY), headers, now=NOW)
    assert type(event.body) is bytes
    assert event.body == BODY


def test_a_body_that_changes_later_was_copied_first(webhook, headers):
    """The handler would see other bytes than those that were verified."""
    body = bytearray(BODY)
    event = webhook.verify(body, headers, now=NOW)
    body[:] = b"x" * len(body)
    assert event.body == BODY


def test_text_as_a_body_is_refused_with_the_way_out(webhook, headers):
    """Decoding loses bytes, and the error would show up as a mismatch once in a while."""
    with pytest.raises(TypeError, match=r"request\.get_data\(\)"):
        webhook.verify(BODY.decode(), headers)
    for wrong in (None, 5, {"type": "user.created"}, ["x"]):
        with pytest.raises(TypeError, match="not bytes"):
            webhook.verify(wrong, headers)


def test_either_secret_is_good_while_one_replaces_the_other():
    """A rotation would lose whatever is signed with the other secret."""
    both = Webhook([NEW, OLD])
    for index, secret in enumerate((NEW, OLD)):
        signed = Webhook(secret).sign(BODY, id="msg_1", timestamp=NOW)
        assert both.verify(BODY, signed, now=NOW).secret_index == index
    signed = both.sign(BODY, id="msg_1", timestamp=NOW)
    for secret in (NEW, OLD):
        assert Webhook(secret).verify(BODY, signed, now=NOW)


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        ("", "empty_secret"),
        (None, "empty_secret"),
        ([], "empty_secret"),
        ([NEW, ""], "empty_secret"),
        ("whsec_", "empty_secret"),
        ("whsec_!!!!", "invalid_secret"),
        (f" {NEW}", "invalid_secret"),
        (f"{NEW}\n", "invalid_secret"),
        ([NEW] * 100, "invalid_secret"),
    ],
)
def test_a_bad_secret_stops_the_start(secret, code):
    """With an empty key anyone can sign; with a mistyped one nothing verifies."""
    with pytest.raises(SecretError) as refused:
        Webhook(secret)
    assert refused.value.code == code
    assert isinstance(refused.value, ValueError)
    assert NEW not in str(refused.value)


@pytest.mark.parametrize("secret", [b"bytes", 5, [b"bytes"], {"a": 1}.values()])
def test_a_secret_is_text(secret):
    """The bytes of which encoding would be anybody's guess."""
    with pytest.raises(TypeError):
        Webhook(secret)


def test_a_short_secret_is_warned_about():
    """Eight characters can be guessed by who has seen one delivery."""
    with pytest.warns(UserWarning, match="fewer than 16 bytes"):
        Webhook("12345678", scheme="github")


def test_nothing_printed_contains_a_secret_or_a_payload(webhook, headers):
    """Logs are read by more people than secrets are for."""
    event = webhook.verify(BODY, headers, now=NOW)
    shown = repr(webhook) + str(webhook) + repr(event) + str(event)
    assert NEW not in shown
    assert "user_1" not in shown


@pytest.mark.parametrize(
    ("tolerance", "distance", "is_accepted"),
    [
        ("scheme", 300, True),
        ("scheme", 301, False),
        ("scheme", -300, True),
        ("scheme", -301, False),
        (0, 0, True),
        (0, 1, False),
        (10, 10, True),
        (timedelta(minutes=10), 600, True),
        (timedelta(minutes=10), 601, False),
        (None, 10**9, True),
    ],
)
def test_the_tolerance_is_what_it_says(headers, tolerance, distance, is_accepted):
    """Zero that means off, or a window that is open on one side, lets replays in."""
    webhook = Webhook(NEW, tolerance=tolerance)
    if is_accepted:
        assert webhook.verify(BODY, headers, now=NOW + distance)
        return
    expected = TimestampTooOldError if distance > 0 else TimestampTooNewError
    with pytest.raises(expected):
        webhook.verify(BODY, headers, now=NOW + distance)


@pytest.mark.parametrize("wrong", [True, "off", -1, 1 << 40, 1.5, [], timedelta(seconds=-1)])
def test_a_tolerance_that_makes_no_sense_is_refused(wrong):
    """True would be one second."""
    with pytest.raises((TypeError, ValueError)):
        Webhook(NEW, tolerance=wrong)


def test_without_now_it_is_now(webhook):
    """Receivers do not pass a time."""
    assert webhook.verify(BODY, webhook.sign(BODY, id="msg_1")).id == "msg_1"


@pytest.mark.parametrize("now", [NOW, float(NOW), NOW + 0.9])
def test_a_time_may_have_a_fraction(webhook, headers, now):
    """time.time() has one."""
    assert webhook.verify(BODY, headers, now=now)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), 1e300, "now", 1 << 70])
def test_a_time_that_is_none_is_a_mistake_of_the_caller(webhook, headers, now):
    """It must be neither a panic nor a refused request."""
    with pytest.raises((TypeError, ValueError, OverflowError)):
        webhook.verify(BODY, headers, now=now)


def test_errors_have_a_code_a_header_and_a_family(webhook, headers):
    """Programs branch on codes, and people catch the base class."""
    tampered = {**headers, "webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()}
    with pytest.raises(SignatureMismatchError) as refused:
        webhook.verify(BODY, tampered, now=NOW)
    error = refused.value
    assert (error.code, error.header) == ("signature_mismatch", "webhook-signature")
    assert isinstance(error, WebhookVerificationError)
    assert isinstance(error, HookwrightError)
    assert not isinstance(error, ValueError)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(again), str(again), again.code, again.header) == (
            type(error),
            str(error),
            error.code,
            error.header,
        )


def test_json_that_is_none_is_not_a_verification_error(headers):
    """Who catches forged requests must not swallow broken ones of the platform."""
    webhook = Webhook("a secret for this test", scheme="github")
    for body in (b"{", b"\xff", b"NaN", b'{"a":Infinity}', b"[" * 100_000):
        event = webhook.verify(body, webhook.sign(body))
        for read in (event.json, lambda event=event: event.data):
            with pytest.raises(InvalidPayloadError) as refused:
                read()
            assert refused.value.code == "invalid_payload"
            assert not isinstance(refused.value, WebhookVerificationError)


def test_an_authentic_body_that_is_no_envelope_is_invalid_payload():
    """The sender is who it says and has a bug, which is another status than a forgery."""
    webhook = Webhook("your-webhook-secret-key", profile="filedgr")
    for body in (b"{}", b"[]", b"x", b'{"eventType":"a","eventType":"b","eventId":"c","timestamp":"d","data":1}'):
        with pytest.raises(InvalidPayloadError):
            webhook.verify(body, webhook.sign(body, id="evt_1"))


def test_a_public_key_verifies_and_does_not_sign():
    """A receiver needs no more than the public half."""
    seed = bytes(range(32))
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    private = Webhook("whsk_" + base64.b64encode(seed + public).decode())
    receiver = Webhook("whpk_" + base64.b64encode(public).decode())
    signed = private.sign(BODY, id="msg_1", timestamp=NOW)
    assert signed["webhook-signature"].startswith("v1a,")
    assert receiver.verify(BODY, signed, now=NOW).id == "msg_1"
    with pytest.raises(SecretError) as refused:
        receiver.sign(BODY, id="msg_1")
    assert refused.value.code == "invalid_secret"


def test_what_a_scheme_signs_has_to_be_given(webhook):
    """A message without an id would be refused by every receiver."""
    with pytest.raises(TypeError, match="id="):
        webhook.sign(BODY)
    with pytest.raises(ValueError, match="256 characters"):
        webhook.sign(BODY, id="a.b")


def test_schemes_and_profiles_exclude_each_other():
    """Which one counts would be a guess."""
    with pytest.raises(TypeError, match="not both"):
        Webhook(NEW, scheme="github", profile="generic")


@pytest.mark.parametrize("kind", ["scheme", "profile"])
def test_an_unknown_name_is_answered_with_what_was_meant(kind):
    """A typing mistake would cost a look into the sources."""
    with pytest.raises(ConfigurationError) as refused:
        Webhook(NEW, **{kind: "generc" if kind == "profile" else "githb"})
    assert refused.value.code == f"unknown_{kind}"
    assert ("generic" if kind == "profile" else "github") in str(refused.value)


def test_a_platform_that_is_not_built_in_is_described():
    """Users of smaller platforms would have to wait for a release."""
    scheme = Scheme(
        name="acme",
        content="{ts}.{body}",
        key="utf8",
        signature={
            "headers": ["Acme-Signature"],
            "encoding": "hex",
            "item_separator": ",",
            "tag_separator": "=",
            "timestamp_tag": "t",
            "tags": [{"tag": "v1", "algorithm": "hmac-sha256"}],
        },
        timestamp={"unit": "seconds", "tolerance_seconds": 300},
    )
    webhook = Webhook("a secret for this test", scheme=scheme)
    signed = webhook.sign(BODY, timestamp=NOW)
    assert signed["Acme-Signature"].startswith(f"t={NOW},v1=")
    event = webhook.verify(BODY, signed, now=NOW)
    assert (event.scheme, event.timestamp) == ("acme", NOW)
    assert (scheme.has_timestamp, scheme.has_id, scheme.headers) == (True, False, ["Acme-Signature"])
    with pytest.raises(ConfigurationError) as refused:
        Scheme(name="acme", content="{bodi}", key="utf8")
    assert refused.value.code == "invalid_scheme"


def test_nobody_makes_a_verified_webhook():
    """A handler that holds one must be able to rely on it."""
    with pytest.raises(TypeError):
        VerifiedWebhook()
    assert VerifiedWebhook[dict].__origin__ is VerifiedWebhook


def test_threads_share_one_webhook(webhook, headers):
    """Every server has threads, and some interpreters run them at once."""
    big = b"x" * 100_000
    for_big = webhook.sign(big, id="msg_2", timestamp=NOW)
    failures = []
    barrier = threading.Barrier(8)

    def work():
        barrier.wait()
        for _ in range(50):
            if (
                webhook.verify(BODY, headers, now=NOW).id != "msg_1"
                or webhook.verify(big, for_big, now=NOW).id != "msg_2"
            ):
                failures.append("wrong event")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_generated_grpc_clients_stay_importable(tmp_path, monkeypatch):
    """The service's clients are generated into `hookwright.v1`, and the receiver would hide them."""
    folder = tmp_path / "hookwright" / "v1"
    folder.mkdir(parents=True)
    (folder / "webhook_pb2.py").write_text("GENERATED = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    program = "import hookwright, hookwright.v1.webhook_pb2 as v1; print(v1.GENERATED, bool(hookwright.Webhook))"
    import os
    import subprocess
    import sys

    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


def test_the_version_is_that_of_the_distribution():
    """Bug reports would name the wrong one."""
    from importlib.metadata import version

    assert hookwright.__version__ == version("hookwright")
