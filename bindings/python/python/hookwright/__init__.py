"""Verify webhooks of any platform, strictly.

>>> from hookwright import Webhook
>>> webhook = Webhook("your-webhook-secret-key", profile="filedgr")
>>> event = webhook.verify(body, headers)  # doctest: +SKIP
>>> event.type, event.data  # doctest: +SKIP
('vault.created', {'vaultId': 'vault_xyz789'})

The adapters are modules of their own: :mod:`hookwright.flask`, :mod:`hookwright.fastapi`, :mod:`hookwright.django`,
:mod:`hookwright.wsgi` and :mod:`hookwright.asgi`.
"""

from pkgutil import extend_path

# Clients generated from hookwright's proto files live in `hookwright.v1`, in a folder of the application's own. Without
# this, installing the receiver would hide them.
__path__ = extend_path(__path__, __name__)

from hookwright._errors import (
    BodyConsumedError,
    BodyTooLargeError,
    ConfigurationError,
    DecryptionError,
    HookwrightError,
    InvalidPayloadError,
    MalformedHeaderError,
    MissingHeaderError,
    SchemaError,
    SecretError,
    SignatureMismatchError,
    TimestampError,
    TimestampTooNewError,
    TimestampTooOldError,
    WebhookVerificationError,
)
from hookwright._explain import Explanation, Finding, explain
from hookwright._native import DecryptionKey, EventType, Profile, Scheme, VerifiedWebhook, Webhook, __version__, decrypt

__all__ = [
    "BodyConsumedError",
    "BodyTooLargeError",
    "ConfigurationError",
    "DecryptionError",
    "DecryptionKey",
    "EventType",
    "Explanation",
    "Finding",
    "HookwrightError",
    "InvalidPayloadError",
    "MalformedHeaderError",
    "MissingHeaderError",
    "Profile",
    "SchemaError",
    "Scheme",
    "SecretError",
    "SignatureMismatchError",
    "TimestampError",
    "TimestampTooNewError",
    "TimestampTooOldError",
    "VerifiedWebhook",
    "Webhook",
    "WebhookVerificationError",
    "__version__",
    "decrypt",
    "explain",
]
