"""Verifications per second of CPU time, beside the libraries that people use today.

    python bench/verify.py [--seconds 0.25] [--repeats 7]

Everything runs in one process and in turns, so that a machine that is busy or throttled is so for all. The figures are
the medians of the repeats. Each verifier gets what a Flask view has: a body in bytes and a mapping of headers.
"""

import argparse
import base64
import hashlib
import hmac
import json
import platform
import statistics
import time

import standardwebhooks
import stripe
import svix
from flask import Flask, request
from werkzeug.test import EnvironBuilder

import hookwright
from hookwright.flask import Hookwright

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
KEY = bytes(range(32))
STRIPE_SECRET = "whsec_of_stripe_with_enough_characters"
SIZES = {"256 B": 256, "1 KiB": 1024, "16 KiB": 16384, "1 MiB": 1 << 20}
OTHER_HEADERS = {
    "Host": "example.com",
    "User-Agent": "sender/1.0",
    "Content-Type": "application/json",
    "Accept": "*/*",
}


def by_hand(body, headers):
    """Standard Webhooks as a careful person writes it with the standard library."""
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > 300:
        raise ValueError("timestamp")
    expected = base64.b64encode(hmac.digest(KEY, f"{message_id}.{timestamp}.".encode() + body, "sha256"))
    for versioned in headers["webhook-signature"].split(" "):
        version, _, signature = versioned.partition(",")
        if version == "v1" and hmac.compare_digest(signature.encode(), expected):
            return body
    raise ValueError("signature")


def as_the_documents_show(body, headers):
    """A bare HMAC over the body, as platforms' guides show it."""
    expected = hmac.new(KEY, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(headers["X-Webhook-Signature"], expected):
        raise ValueError("signature")
    return body


def contenders(body):
    """Name and call of each verifier, for one body."""
    now = int(time.time())
    standard = hookwright.Webhook(SECRET)
    headers = standard.sign(body, id="msg_1", timestamp=now)
    title_case = {**OTHER_HEADERS, **{name.title(): value for name, value in headers.items()}}
    bare_headers = {"X-Webhook-Signature": hmac.new(KEY, body, hashlib.sha256).hexdigest()}
    hex_secret = "0123456789abcdef" * 2
    bare = hookwright.Webhook(hex_secret, scheme="x-webhook-signature")
    bare_headers_ours = bare.sign(body)
    stripe_ours = hookwright.Webhook(STRIPE_SECRET, scheme="stripe")
    stripe_headers = stripe_ours.sign(body, timestamp=now)
    stripe_header = stripe_headers["Stripe-Signature"]
    text = body.decode()
    reference = standardwebhooks.Webhook(SECRET)
    svix_reference = svix.Webhook(SECRET)
    svix_headers = {name.replace("webhook-", "svix-"): value for name, value in headers.items()}
    stripe_verify = stripe.WebhookSignature.verify_header
    return {
        "hookwright, Standard Webhooks": lambda: standard.verify(body, headers),
        "hookwright, 7 headers in title case": lambda: standard.verify(body, title_case),
        "hookwright, X-Webhook-Signature": lambda: bare.verify(body, bare_headers_ours),
        "hookwright, Stripe": lambda: stripe_ours.verify(body, stripe_headers),
        "standardwebhooks": lambda: reference.verify(body, headers, json_parse=False),
        "standardwebhooks with JSON": lambda: reference.verify(body, headers),
        "svix": lambda: svix_reference.verify(body, svix_headers),
        "stripe": lambda: stripe_verify(text, stripe_header, STRIPE_SECRET, 300),
        "stdlib by hand, Standard Webhooks": lambda: by_hand(body, headers),
        "stdlib by hand, bare HMAC": lambda: as_the_documents_show(body, bare_headers),
    }


def rate(call, seconds):
    """Calls per second of this thread's CPU time."""
    count, spent = 1, 0.0
    while True:
        start = time.thread_time()
        for _ in range(count):
            call()
        spent = time.thread_time() - start
        if spent >= seconds:
            return count / spent
        count = max(count * 2, int(count * seconds / max(spent, 1e-6)) + 1)


def flask_views():
    """One request through Flask: a bare view that reads the body, and the same under the decorator."""
    app = Flask(__name__)
    hooks = Hookwright(app)
    body = json.dumps({"type": "user.created", "data": {"id": "user_1", "pad": "x" * 180}}).encode()

    @app.post("/bare")
    def bare():
        request.get_data()
        return b"", 200

    @app.post("/verified")
    @hooks.verified("standard-webhooks", SECRET, scheme="standard-webhooks")
    def verified(event):
        return b"", 200

    headers = hookwright.Webhook(SECRET).sign(body, id="msg_1")

    def request_to(path):
        builder = EnvironBuilder(path, method="POST", data=body, headers=headers)
        environ = builder.get_environ()
        stream = environ["wsgi.input"]

        def call():
            stream.seek(0)
            response = app.wsgi_app(dict(environ), lambda status, headers: None)
            response.close()

        return call

    return {"bare": request_to("/bare"), "verified": request_to("/verified")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--repeats", type=int, default=7)
    chosen = parser.parse_args()

    print(
        f"Python {platform.python_version()}, {chosen.repeats} repeats of {chosen.seconds} s, per second of CPU time\n"
    )
    columns = {}
    for label, size in SIZES.items():
        body = b'{"x":"' + b"x" * (size - 8) + b'"}'
        calls = contenders(body)
        runs = {name: [] for name in calls}
        for _ in range(chosen.repeats):
            for name, call in calls.items():
                runs[name].append(rate(call, chosen.seconds))
        columns[label] = {name: statistics.median(values) for name, values in runs.items()}
    names = list(columns["256 B"])
    print(f"| {'verifier':38} | {' | '.join(f'{label:>10}' for label in columns)} |")
    print(f"| {'-' * 38} | {' | '.join('---------:' for _ in columns)} |")
    for name in names:
        print(f"| {name:38} | {' | '.join(f'{columns[label][name]:>10,.0f}' for label in columns)} |")
    print()
    ours = "hookwright, Standard Webhooks"
    for other in ("standardwebhooks", "svix", "stripe", "stdlib by hand, Standard Webhooks"):
        ratios = ", ".join(f"{columns[label][ours] / columns[label][other]:.2f}x at {label}" for label in columns)
        print(f"{ours} / {other}: {ratios}")
    ratio = columns["256 B"]["hookwright, X-Webhook-Signature"] / columns["256 B"]["stdlib by hand, bare HMAC"]
    print(f"hookwright, X-Webhook-Signature / stdlib by hand, bare HMAC: {ratio:.2f}x at 256 B")

    views = flask_views()
    runs = {name: [] for name in views}
    for _ in range(chosen.repeats):
        for name, call in views.items():
            runs[name].append(1e6 / rate(call, chosen.seconds))
    bare, verified = (statistics.median(runs[name]) for name in ("bare", "verified"))
    print(f"\nFlask, 256 B: {bare:.1f} µs for a bare view, {verified:.1f} µs verified: {verified - bare:.1f} µs more")


if __name__ == "__main__":
    main()
