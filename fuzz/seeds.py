#!/usr/bin/env python3
"""Writes the inputs that fuzzing starts from: fuzz/seeds.py FOLDER makes FOLDER/<target>/<name>.

They come from the shared vectors and the built-in descriptions, so a new platform is a new seed by itself. For
cargo-fuzz, write them to fuzz/corpus.
"""

import base64
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VECTORS = ROOT / "tests" / "vectors"
CORE = ROOT / "crates" / "core"


# What the unsigned handshakes ask, in the form of the vectors' situations.
QUESTIONS = {
    "dropbox": b"dropbox 0 GET /hook?challenge=abc123\nsecret\n\n",
    "meta": b"meta 0 GET /hook?hub.mode=subscribe&hub.verify_token=token&hub.challenge=1158201444\ntoken\n\n",
    "cloudevents": b"github 0 OPTIONS /hook\nsecret\nWebHook-Request-Origin: eventemitter.example.com\n"
    b"WebHook-Request-Rate: 120\n\n",
    "event-grid": b"github 0 POST /hook\nsecret\naeg-event-type: SubscriptionValidation\n\n"
    b'[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6"}}]',
}


# Ways to write addresses, with an allow-list and the answer of a name server.
DESTINATIONS = {
    "plain": "https://example.com/hooks?a=b\n10.1.0.0/16 hooks.internal\n10.1.0.1 93.184.216.34",
    "number": "https://2130706433/\n127.0.0.1\n127.0.0.1",
    "hexadecimal": "https://0x7f.1/\n127.0.0.0/8 ::1\n::1 ::ffff:127.0.0.1",
    "octal": "https://0177.0.0.1/\nfd00::/8\nfd00:ec2::254",
    "mapped": "https://[::ffff:127.0.0.1]/\nany.example\n10.0.0.1",
    "nat64": "https://[64:ff9b::a9fe:a9fe]/\n\n64:ff9b::a00:1 2002:7f00:1:: 2001::1",
    "full-width": "https://\uff11\uff12\uff17.0.0.1/\nb\u00fccher.example\n168.63.129.16",
    "dot": "http://127.0.0.1./\nhooks.internal.\n169.254.169.254 100.64.0.1",
    "user": "https://user:pass@example.com/#top\n0.0.0.0/0 ::/0\n255.255.255.255 ff02::1",
    "back": "https:\\\\127.1\\a\n10.0.0.0/33\n",
}


def main(folder: pathlib.Path) -> None:
    requests = json.loads((VECTORS / "requests.json").read_text(encoding="utf-8"))["vectors"]
    envelopes = json.loads((VECTORS / "envelopes.json").read_text(encoding="utf-8"))["envelopes"]
    sealed = json.loads((VECTORS / "jwe.json").read_text(encoding="utf-8"))
    situations = {vector["id"]: request(vector) for vector in requests}
    written = 0
    for target, seeds in {
        "header": situations,
        "explain": situations,
        "handshake": {**situations, **QUESTIONS},
        "secret": {f"{v['id']}-{n}": s.encode() for v in requests for n, s in enumerate(v["secrets"])},
        "scheme": {path.stem: path.read_bytes() for path in (CORE / "schemes").glob("*.toml")},
        "profile": {path.stem: profile(path) for path in (CORE / "profiles").glob("*.toml")},
        "envelope": {f"{n}": envelope(example) for n, example in enumerate(envelopes)},
        "egress": {name: text.encode() for name, text in DESTINATIONS.items()},
        "jwe": {message["id"]: token(sealed["keys"], message) for message in sealed["messages"]},
    }.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, content in seeds.items():
            (folder / target / name).write_bytes(content)
            written += 1
    print(f"{written} seeds in {folder}")


def request(vector: dict) -> bytes:
    """A request in the form of a `Situation`."""
    url = vector.get("url", "https://example.com/webhook")
    lines = [
        " ".join([vector["scheme"], str(vector["now"]), vector.get("method", "POST"), url]),
        "\t".join(vector["secrets"]),
    ]
    for name, values in vector["headers"].items():
        for value in values if isinstance(values, list) else [values]:
            lines.append(f"{name}: {value}")
    body = base64.b64decode(vector["body_base64"]) if "body_base64" in vector else vector["body"].encode()
    return "\n".join([*lines, "", ""]).encode() + body


def profile(path: pathlib.Path) -> bytes:
    """A description without its catalogue, which is long and the same for every platform."""
    return path.read_bytes().split(b"[[event]]")[0]


def envelope(example: dict) -> bytes:
    """An envelope in the form of fuzz_targets/envelope.rs."""
    return f"{example['profile']}\nX-Filedgr-Event-Type: vault.created\n\n{example['text']}".encode()


def token(keys: dict, message: dict) -> bytes:
    """A message in the form of fuzz_targets/jwe.rs, with the first of its keys."""
    key = json.dumps(keys[message["keys"][0]]) if message["keys"] else ""
    return f"{key}\n{message['token']}".encode()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
