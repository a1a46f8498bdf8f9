"""The vectors that every language shares: the same request gets the same verdict and the same code everywhere."""

import base64
import json
import os
import pathlib

import pytest

from hookwright import DecryptionKey, HookwrightError, Profile, Scheme, Webhook, decrypt

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
VECTORS = REPOSITORY / "tests" / "vectors"

if not VECTORS.is_dir():
    pytest.skip("the vectors are in the repository and not in the source distribution", allow_module_level=True)


def load(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def request_files():
    """Ours, and the file of whoever wants to check something else."""
    files = sorted(VECTORS.glob("*requests.json"))
    assert len(files) >= 2
    if extra := os.environ.get("HOOKWRIGHT_VECTORS"):
        files.append(pathlib.Path(extra))
    return files


def request_vectors():
    for file in request_files():
        document = load(file)
        vectors = document["vectors"] if isinstance(document, dict) else document
        for vector in vectors:
            yield pytest.param(vector, id=f"{file.stem}-{vector['id']}")


def body_of(vector):
    if "body_base64" in vector:
        return base64.b64decode(vector["body_base64"], validate=True)
    return vector["body"].encode()


def verdict(vector, headers):
    options = {"tolerance": vector["tolerance"]} if "tolerance" in vector else {}
    try:
        webhook = Webhook(vector["secrets"], scheme=vector["scheme"], **options)
        webhook.verify(
            body_of(vector),
            headers,
            now=vector["now"],
            method=vector.get("method", "POST"),
            url=vector.get("url", "https://example.com/webhook"),
        )
    except HookwrightError as error:
        return error.code
    return "ok"


def as_mapping(headers):
    return headers


def as_pairs(headers):
    return [
        (name, value)
        for name, values in headers.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def as_asgi(headers):
    return [(name.lower().encode(), value.encode()) for name, value in as_pairs(headers)]


def as_lower_case(headers):
    return {name.lower(): value for name, value in headers.items()}


@pytest.mark.filterwarnings("ignore:the secret has fewer than 16 bytes")
@pytest.mark.parametrize("shape", [as_mapping, as_pairs, as_asgi, as_lower_case])
@pytest.mark.parametrize("vector", list(request_vectors()))
def test_every_request_vector_gets_its_verdict_in_every_shape_of_headers(vector, shape):
    """A receiver would refuse a platform's genuine webhook, or accept a forged one."""
    expected = {vector.get("error") or vector["expect"], *vector.get("error_also_acceptable", ())}
    assert verdict(vector, shape(vector["headers"])) in expected


def test_no_vector_is_left_out():
    """Vectors that are skipped silently prove nothing."""
    known = {"jwe", "requests", "more_requests", "schemes", "envelopes", "primitives"}
    assert {file.stem for file in VECTORS.glob("*.json")} <= known, "a file that nothing here replays"
    assert {param.values[0]["scheme"] for param in request_vectors()} <= set(Scheme.builtin_names())
    assert sum(1 for _ in request_vectors()) >= 240


@pytest.mark.parametrize("name", load(VECTORS / "schemes.json"))
def test_every_shared_scheme_is_built_in_with_its_headers(name):
    """A platform that the repository documents would be missing from the package."""
    described = load(VECTORS / "schemes.json")[name]
    scheme = Scheme.builtin(name)
    ours = [header.lower() for header in scheme.headers]
    for header in described["signature"]["headers"]:
        assert header.lower() in ours
    assert scheme.has_id == bool(described.get("id"))


def envelopes():
    for number, vector in enumerate(load(VECTORS / "envelopes.json")["envelopes"]):
        yield pytest.param(vector, id=f"{vector['profile']}-{number}")


@pytest.mark.parametrize("vector", list(envelopes()))
def test_every_documented_envelope_is_read(vector):
    """An event that the platform shows in its guide would be refused, or its data changed."""
    profile = Profile.builtin(vector["profile"])
    webhook = Webhook("a secret for this test", profile=profile)
    body = vector["text"].encode()
    event = webhook.verify(body, webhook.sign(body, id="msg_1"), url="https://example.com/")
    envelope = json.loads(body)
    assert event.type in envelope.values()
    assert event.body == body
    assert event.json() == envelope
    assert event.data in (envelope.get("data"), envelope.get("data", {}).get("object"))


def primitives(kind):
    for vector in load(VECTORS / "primitives.json"):
        # An empty key is refused before it can be used.
        if vector["algorithm"].startswith(kind) and vector.get("key_hex") != "":
            yield pytest.param(vector, id=vector["id"])


def bare_scheme(algorithm):
    signature = {"headers": ["Signature"], "encoding": "hex"}
    return Scheme(name="vector", content="{body}", key="hex", algorithm=algorithm, signature=signature)


@pytest.mark.filterwarnings("ignore:the secret has fewer than 16 bytes")
@pytest.mark.parametrize("vector", list(primitives("HMAC-")))
def test_every_mac_vector_of_the_standards_is_reproduced(vector):
    """A MAC that differs from the standard's would verify nobody's webhooks but our own."""
    webhook = Webhook(vector["key_hex"], scheme=bare_scheme(vector["algorithm"].lower()))
    computed = webhook.sign(bytes.fromhex(vector["msg_hex"]))["Signature"]
    # Some vectors cut the tag short; the prefix must still agree.
    assert computed.startswith(vector["tag_hex"]) == vector.get("valid", True)


@pytest.mark.parametrize("vector", list(primitives("Ed25519")))
def test_every_ed25519_vector_of_the_standards_gets_its_verdict(vector):
    """A forged signature would pass, or one of another implementation would not."""
    webhook = Webhook(vector["public_hex"], scheme=bare_scheme("ed25519"))
    try:
        webhook.verify(bytes.fromhex(vector["msg_hex"]), {"signature": vector["sig_hex"]})
    except HookwrightError as error:
        assert not vector.get("valid", True), error
    else:
        assert vector.get("valid", True)


def jwe_vectors(part):
    for vector in load(VECTORS / "jwe.json")[part]:
        yield pytest.param(vector, id=vector["id"])


def base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("vector", list(jwe_vectors("messages")))
def test_every_encrypted_message_is_read_or_refused(vector):
    """Payloads of other implementations could not be read, or forged ones could."""
    known = load(VECTORS / "jwe.json")["keys"]
    keys = [json.dumps(known[name]) for name in vector["keys"]]
    try:
        plaintext = decrypt(vector["token"].encode(), keys)
    except HookwrightError as error:
        assert error.code == vector["error"]
    else:
        assert plaintext == base64url(vector["plaintext_base64url"])


@pytest.mark.parametrize(
    "vector", [param for param in jwe_vectors("key_texts") if param.values[0]["role"] == "decrypt"]
)
def test_every_decryption_key_is_taken_or_refused(vector):
    """A key that cannot work would be found out by the first delivery."""
    try:
        DecryptionKey(vector["text"])
    except HookwrightError as error:
        assert error.code == vector.get("error")
    else:
        assert "error" not in vector


def test_an_encrypted_payload_is_verified_first_and_decrypted_after():
    """What a stranger made would reach the private key, or the handler would get a token instead of its event."""
    known = load(VECTORS / "jwe.json")["keys"]
    vector = next(param.values[0] for param in jwe_vectors("messages") if "plaintext_base64url" in param.values[0])
    keys = [json.dumps(known[name]) for name in vector["keys"]]
    token, plaintext = vector["token"].encode(), base64url(vector["plaintext_base64url"])
    webhook = Webhook("a secret for this test", scheme="github", decryption_keys=keys)
    event = webhook.verify(token, webhook.sign(token))
    assert (event.body, event.plaintext, event.is_encrypted) == (token, plaintext, True)
    with pytest.raises(HookwrightError) as refused:
        webhook.verify(token[:-4] + b"AAAA", webhook.sign(token))
    assert refused.value.code == "signature_mismatch"
    forged = token[:-4] + b"AAAA"
    with pytest.raises(HookwrightError) as refused:
        webhook.verify(forged, webhook.sign(forged))
    assert refused.value.code in {"decryption_failed", "malformed_jwe"}
    plain = webhook.verify(b"{}", webhook.sign(b"{}"))
    assert (plain.plaintext, plain.is_encrypted) == (b"{}", False)
    with pytest.raises(HookwrightError) as refused:
        Webhook("a secret for this test", scheme="github", decryption_keys="no key")
    assert refused.value.code == "invalid_key"
    key = DecryptionKey(keys[0])
    assert "d" not in json.loads(key.encryption_jwk()) or json.loads(key.encryption_jwk())["kty"] == "oct"
