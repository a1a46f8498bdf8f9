"""Everything that can be wrong, as exceptions with a stable ``code``.

Two parties can be at fault, and they are told apart by type. :class:`WebhookVerificationError` and
:class:`InvalidPayloadError` are about a request that a stranger sent. :class:`ConfigurationError` and its subclasses
are about this receiver's own settings; constructors raise them, so that a receiver with a bad secret fails when it
starts and not on its first delivery.

Codes do not change. Messages are for people, may change, and never contain a secret or the content of a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BodyConsumedError",
    "BodyTooLargeError",
    "ConfigurationError",
    "DecryptionError",
    "HookwrightError",
    "InvalidPayloadError",
    "MalformedHeaderError",
    "MissingHeaderError",
    "SchemaError",
    "SecretError",
    "SignatureMismatchError",
    "TimestampError",
    "TimestampTooNewError",
    "TimestampTooOldError",
    "WebhookVerificationError",
]


class HookwrightError(Exception):
    """The base of every exception of this package."""

    #: The stable name of what went wrong, such as ``signature_mismatch``.
    code: str
    #: The header that it is about, in the spelling of the platform, if it is about one.
    header: str | None

    def __init__(self, message: str, *, code: str, header: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.header = header

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (type(self), str(self), dict(self.__dict__)))


def _restore(kind: type[HookwrightError], message: str, attributes: dict[str, object]) -> HookwrightError:
    error = kind.__new__(kind, message)
    error.__dict__.update(attributes)
    return error


class WebhookVerificationError(HookwrightError):
    """The request is not proven to come from the platform. Nothing in it may be used."""


class MissingHeaderError(WebhookVerificationError):
    """A header that the scheme needs is absent or empty (``missing_header``)."""


class MalformedHeaderError(WebhookVerificationError):
    """A header is not what the scheme prescribes.

    Its codes are ``duplicate_header``, ``malformed_header``, ``malformed_signature``, ``no_supported_signature``,
    ``invalid_id`` and ``invalid_timestamp``.
    """


class SignatureMismatchError(WebhookVerificationError):
    """The signature was made with another secret or over other bytes (``signature_mismatch``)."""


class TimestampError(WebhookVerificationError):
    """The signature is right, but the message was not signed just now."""


class TimestampTooOldError(TimestampError):
    """The message is older than the tolerance: a replay, or a clock that is wrong (``timestamp_too_old``)."""


class TimestampTooNewError(TimestampError):
    """The message claims to come from the future (``timestamp_too_new``)."""


class InvalidPayloadError(HookwrightError, ValueError):
    """The body is authentic, but it is not the JSON that the platform promises (``invalid_payload``)."""


class SchemaError(InvalidPayloadError):
    """The data does not follow the JSON Schema of its event type (``schema_violation``)."""

    #: What is wrong, as pairs of a path such as ``data.vaultId`` and a sentence.
    details: tuple[tuple[str, str], ...]

    def __init__(
        self, message: str, *, details: Sequence[tuple[str, str]] = (), code: str = "schema_violation"
    ) -> None:
        super().__init__(message, code=code)
        self.details = tuple(details)


class DecryptionError(HookwrightError):
    """An authentic body cannot be decrypted (``malformed_jwe``, ``unsupported_algorithm``, ``decryption_failed``)."""


class BodyTooLargeError(HookwrightError):
    """The body is longer than the receiver accepts (``body_too_large``)."""

    def __init__(self, message: str, *, code: str = "body_too_large") -> None:
        super().__init__(message, code=code)


class BodyConsumedError(HookwrightError):
    """Something read or parsed the body first, so the bytes that were signed are gone (``body_consumed``)."""

    def __init__(self, message: str, *, code: str = "body_consumed") -> None:
        super().__init__(message, code=code)


class ConfigurationError(HookwrightError, ValueError):
    """This receiver is set up wrongly; constructors raise it, before any request comes in."""

    def __init__(self, message: str, *, code: str = "configuration", header: str | None = None) -> None:
        super().__init__(message, code=code, header=header)


class SecretError(ConfigurationError):
    """A secret is empty or not what the scheme needs (``empty_secret``, ``invalid_secret``)."""


class _Codes:
    """Which class stands for which code."""

    BY_CODE: ClassVar[dict[str, type[HookwrightError]]] = {
        "missing_header": MissingHeaderError,
        "duplicate_header": MalformedHeaderError,
        "malformed_header": MalformedHeaderError,
        "malformed_signature": MalformedHeaderError,
        "no_supported_signature": MalformedHeaderError,
        "invalid_id": MalformedHeaderError,
        "invalid_timestamp": MalformedHeaderError,
        "signature_mismatch": SignatureMismatchError,
        "header_mismatch": WebhookVerificationError,
        "timestamp_too_old": TimestampTooOldError,
        "timestamp_too_new": TimestampTooNewError,
        "empty_secret": SecretError,
        "invalid_secret": SecretError,
        "invalid_payload": InvalidPayloadError,
        "malformed_jwe": DecryptionError,
        "unsupported_algorithm": DecryptionError,
        "decryption_failed": DecryptionError,
        "invalid_key": ConfigurationError,
        "invalid_scheme": ConfigurationError,
        "invalid_profile": ConfigurationError,
        "unknown_handshake": ConfigurationError,
        "unknown_scheme": ConfigurationError,
        "unknown_profile": ConfigurationError,
    }


def from_code(code: str, message: str, header: str | None) -> HookwrightError:
    """The exception for a code of the core. The native part calls this and nothing else."""
    return _Codes.BY_CODE.get(code, HookwrightError)(message, code=code, header=header)
