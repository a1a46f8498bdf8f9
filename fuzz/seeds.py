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


HTTP1 = b"http1\nHTTP/1.1 200 OK\r\n"
# The server's settings, and an acknowledgement of ours.
HTTP2 = b"http2\n\0\0\0\4\0\0\0\0\0" + b"\0\0\0\4\1\0\0\0\0"

# What receivers answer, good and bad; the bytes F8 to FC are instructions to the one that answers.
ANSWERS = {
    "ok": HTTP1 + b"Content-Length: 2\r\n\r\nok",
    "close": HTTP1 + b"Connection: close\r\n\r\n" + b"x" * 100 + b"\xfa",
    "chunked": HTTP1 + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\xf8\r\n1;a=b\r\nd\r\n0\r\nTrailer: x\r\n\r\n",
    "chunk": HTTP1 + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "both": HTTP1 + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "lengths": HTTP1 + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "redirect": b"http1\nHTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
    "refresh": HTTP1 + b"Refresh: 0;url=/x\r\nAlt-Svc: h3=\":443\"\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
    "later": b"http1\nHTTP/1.1 503 Later\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n",
    "interim": b"http1\n" + b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\xfa",
    "continue": b"http1\nHTTP/1.1 100 Continue\r\n\r\n\xf9HTTP/1.1 204 No\r\n\r\n",
    "switch": b"http1\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "headers": HTTP1 + b"A: b\r\n\xfa",
    "long": HTTP1 + b"A: " + b"b" * 1000 + b"\xfa",
    "folded": HTTP1 + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "twice": HTTP1 + b"Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "old": b"http1\nHTTP/1.0 200 OK\r\n\r\nbody",
    "none": b"http1\n",
    "silence": b"http1\n\xfb",
    "reset": HTTP1 + b"Content-Length: 9\r\n\r\nabc\xfc",
    "h2-ok": HTTP2 + b"\0\0\1\1\4\0\0\0\1\x88" + b"\0\0\2\0\1\0\0\0\1ok",
    "h2-empty": HTTP2 + b"\0\0\1\1\5\0\0\0\1\x88",
    "h2-large": HTTP2 + b"\0\0\1\1\4\0\0\0\1\x88\xf8" + b"\0\4\0\0\0\0\0\0\1" + b"x" * 1024 + b"\xfa",
    "h2-reset": HTTP2 + b"\0\0\4\3\0\0\0\0\1\0\0\0\7",
    "h2-away": HTTP2 + b"\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0",
    "h2-push": HTTP2 + b"\0\0\5\5\4\0\0\0\1\0\0\0\2\x82",
    "h2-continued": HTTP2 + b"\0\0\1\1\0\0\0\0\1\x88\xf8" + b"\0\0\5\x09\0\0\0\0\1\0\1a\1b\xfa",
    "h2-ping": HTTP2 + b"\0\0\x08\6\0\0\0\0\x0012345678\xfa",
    "tls-alert": b"tls\n\x15\3\3\0\2\2\x28",
    "tls-hello": b"tls\n\x16\3\3\0\x2a\2\0\0\x26\3\3" + bytes(32) + b"\0\x13\1\0",
    "tls-http": b"tls\nHTTP/1.1 400 Bad Request\r\n\r\n",
    "proxy-refuses": b"proxy\nHTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
    "proxy-agrees": b"proxy\nHTTP/1.1 200 Connection established\r\n\r\n\x15\3\3\0\2\2\x28",
    "proxy-talks": b"proxy\nHTTP/1.1 200 \xfa",
    "token": b'token\nHTTP/1.1 200 OK\r\nContent-Length: 59\r\n\r\n{"access_token":"a","token_type":"Bearer","expires_in":3600}',
    "token-refused": b'token\nHTTP/1.1 401 No\r\nContent-Length: 27\r\n\r\n{"error":"invalid_client" }',
    "token-odd": b'token\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"access_token":"\\n","expires_in":1e300}',
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
        "answer": ANSWERS,
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
