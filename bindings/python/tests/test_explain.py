"""What is said about a request that does not verify."""

import json

import pytest

from hookwright import Webhook, explain

SECRET = "your-webhook-secret-key"
BODY = b'{"a":1,"b":"text"}'


def signed(body=BODY, secret=SECRET, scheme="github"):
    return Webhook(secret, scheme=scheme).sign(body, timestamp=1_705_314_600)


@pytest.mark.parametrize(
    ("body", "secret", "cause"),
    [
        (json.dumps(json.loads(BODY)).encode(), SECRET, "body_reserialized_compact"),
        (BODY + b"\n", SECRET, "body_trailing_newline_added"),
        (BODY, SECRET + "\n", "secret_trimmed"),
        (BODY, f'"{SECRET}"', "secret_trimmed"),
    ],
)
def test_the_usual_mistakes_are_recognised(body, secret, cause):
    """People compare bytes for an afternoon."""
    explanation = explain(body, signed(), secret, scheme="github", now=1_705_314_600)
    assert explanation.findings[0].causes == (cause,)
    assert explanation.findings[0].message in str(explanation)


def test_a_valid_request_has_nothing_to_explain():
    """A helper that cries wolf is not asked again."""
    explanation = explain(BODY, signed(), SECRET, scheme="github")
    assert (explanation.code, explanation.message, explanation.findings) == (None, None, ())


def test_of_several_secrets_the_one_that_matches_is_named():
    """During a rotation nobody knows which of them it was."""
    explanation = explain(BODY + b"\n", signed(), ["another secret altogether", SECRET], scheme="github")
    assert explanation.findings[0].secret_index == 1
    assert explanation.code == "signature_mismatch"


def test_a_profile_is_explained_too():
    """Most receivers have a profile and no scheme."""
    body = b'{"eventType":"vault.created","eventId":"evt_1","timestamp":"2024-01-15T10:30:00Z","data":{}}'
    headers = Webhook(SECRET, scheme="filedgr").sign(body)
    explanation = explain(json.dumps(json.loads(body)).encode(), headers, SECRET, profile="filedgr")
    assert explanation.findings[0].causes == ("body_reserialized_compact",)


def test_an_explanation_gives_nothing_away():
    """It ends up in logs and in bug reports."""
    headers = signed()
    explanation = explain(b'{"name":"private name"}', headers, SECRET, scheme="github")
    shown = str(explanation) + repr(explanation)
    assert explanation.findings == ()
    for private in (SECRET, "private name", *headers.values()):
        assert private not in shown
    assert explanation.facts["body_bytes"] == 23


def test_one_dialect_has_to_be_named():
    """Which one counts would be a guess."""
    with pytest.raises(TypeError):
        explain(BODY, {}, SECRET, scheme="github", profile="filedgr")
    assert explain(BODY, {}, SECRET).facts["headers_expected"][0].startswith("webhook-")
