"""A receiver as the platforms' Python samples mean it: HMAC-SHA256 of the raw body, hex, compared in constant time.

Reads a JSON array of cases from standard input and prints one verdict per line.
"""

import base64
import hmac
import json
import sys


def is_signed(header, headers, secret, body):
    computed = hmac.digest(secret.encode(), base64.b64decode(body), "sha256").hex()
    claimed = headers.get(header, "")
    return hmac.compare_digest(claimed.encode(), computed.encode())


for received in json.load(sys.stdin):
    print("accepted" if is_signed(**received) else "refused")
