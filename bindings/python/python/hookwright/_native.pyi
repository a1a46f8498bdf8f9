"""The native part of the package. Import these names from :mod:`hookwright`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from types import GenericAlias
from typing import Any, Final, Generic, Literal, Protocol, TypeAlias, final, type_check_only

from typing_extensions import TypeVar

__all__ = [
    "DecryptionKey",
    "EventType",
    "Profile",
    "Scheme",
    "VerifiedWebhook",
    "Webhook",
    "__version__",
    "decrypt",
    "explain_request",
]

__version__: Final[str]

_T_co = TypeVar("_T_co", covariant=True, default=Any)

@type_check_only
class _HasItems(Protocol):
    # The headers of Flask, Django, Starlette, httpx, aiohttp and the standard library.
    def items(self) -> Iterable[tuple[Any, Any]]: ...

_Headers: TypeAlias = (
    Mapping[str, str]
    | Mapping[str, Sequence[str]]
    | _HasItems
    | Iterable[tuple[str, str]]
    | Iterable[tuple[bytes, bytes]]
)
_Body: TypeAlias = bytes | bytearray | memoryview

def decrypt(token: _Body, keys: str | DecryptionKey | Sequence[str | DecryptionKey]) -> bytes:
    """Decrypt a compact JWE with whichever of the keys it was made for. Verify the signature over it first.

    :raises DecryptionError: when no key fits, or the message was changed.
    """

@final
class DecryptionKey:
    """The key that a receiver keeps: a private key, or one that both sides share."""

    def __new__(cls, text: str) -> DecryptionKey:
        """Take a private JWK (EC on P-256, OKP on X25519) or a shared key of 256 bits.

        :raises ConfigurationError: when it is none of these.
        """

    @property
    def key_id(self) -> str | None:
        """The ``kid`` of the JWK."""

    def encryption_jwk(self) -> str:
        """Return the JWK to hand out; of a shared key it is the key itself."""

def explain_request(
    body: _Body,
    headers: Any,
    secrets: Sequence[str],
    *,
    scheme: str | Scheme | None,
    profile: str | Profile | None,
    now: float | None,
    method: str,
    url: str,
) -> tuple[str, str]:
    """Return the explanation in JSON and in words. Use :func:`hookwright.explain`."""

@final
class Webhook:
    """Secrets and a way to sign, ready to verify. Threads can share one."""

    def __new__(
        cls,
        secret: str | Sequence[str],
        *,
        scheme: str | Scheme | None = None,
        profile: str | Profile | None = None,
        tolerance: int | timedelta | Literal["scheme"] | None = ...,
        decryption_keys: str | DecryptionKey | Sequence[str | DecryptionKey] | None = None,
        handshake: str | None = None,
    ) -> Webhook:
        """Take one secret, or several while one replaces another, newest first.

        :param scheme: how the platform signs; without this and a profile, ``standard-webhooks``.
        :param profile: instead of a scheme, everything about a platform; events then have a type and data.
        :param tolerance: how far a signed timestamp may be from now, in seconds, where 0 is zero seconds and None does
            not look at all; ``"scheme"`` is what the scheme prescribes.
        :param decryption_keys: private JWKs, for payloads that are encrypted to this receiver: the signature is checked
            first, and the body is decrypted after.
        :param handshake: the name of what the platform asks an endpoint; default: what goes with the scheme.
        :raises SecretError: when a secret is empty or of the wrong kind.
        """

    @property
    def scheme(self) -> Scheme:
        """The platform's own scheme."""

    @property
    def profile(self) -> Profile | None:
        """The profile, if there is one."""

    def verify(
        self, body: _Body, headers: _Headers, *, now: float | None = None, method: str = "POST", url: str = ""
    ) -> VerifiedWebhook:
        """Check a request and return what it brought.

        :param body: the raw bytes; `bytes` are not copied.
        :param headers: the headers object of any framework, a mapping, or pairs.
        :param now: Unix seconds, instead of this machine's clock.
        :param method: the HTTP method, for the few schemes that sign it.
        :param url: the URL as the sender knows it, for the few schemes that sign it.
        :raises WebhookVerificationError: when the request is not proven to come from the platform.
        :raises InvalidPayloadError: when it is, and the body is not the envelope of the profile.
        """

    def sign(
        self,
        body: _Body,
        *,
        id: str | None = None,
        timestamp: float | None = None,
        event_type: str = "",
        method: str = "POST",
        url: str = "",
    ) -> dict[str, str]:
        """Return the headers that prove where `body` comes from, signed with every secret that there is room for.

        :raises SecretError: when the secret is a public key, which can only verify.
        """

    @property
    def has_handshake(self) -> bool:
        """Whether the platform asks an endpoint something before it sends."""

    def handshake(
        self,
        method: str,
        url: str,
        headers: _Headers,
        body: _Body,
        *,
        verify_token: str | None = None,
        allowed_origins: Sequence[str] = ...,
        now: float | None = None,
    ) -> tuple[int, list[tuple[str, str]], bytes, str | None] | None:
        """Return what to reply to a handshake: status, headers, body, and the reason if it is refused.

        None means that the request is a delivery. The adapters do this by themselves.
        """

@final
class VerifiedWebhook(Generic[_T_co]):
    """A webhook whose signature was right. Only :meth:`Webhook.verify` makes them."""

    @property
    def id(self) -> str | None:
        """The signed id, the same for every delivery of one event: what repetitions are told by."""

    @property
    def type(self) -> str | None:
        """The event type, out of the signed body; None without a profile."""

    @property
    def timestamp(self) -> int | None:
        """When this delivery was signed, in Unix seconds, if the scheme says so."""

    @property
    def occurred_at_ms(self) -> int | None:
        """When it happened, in Unix milliseconds, if the envelope says so."""

    @property
    def scheme(self) -> str:
        """The name of the scheme that vouches."""

    @property
    def secret_index(self) -> int:
        """Which secret it was: its position in the list."""

    @property
    def body(self) -> bytes:
        """The body, byte for byte as it came."""

    @property
    def plaintext(self) -> bytes:
        """The body as the platform wrote it: decrypted if it was encrypted."""

    @property
    def is_encrypted(self) -> bool:
        """Whether the body came encrypted."""

    @property
    def data(self) -> _T_co:
        """The data of the event; without a profile the whole body. Parsed once, when first asked for.

        :raises InvalidPayloadError: when it is not JSON.
        """

    @property
    def extras(self) -> dict[str, Any]:
        """What the platform's envelope has beside the data, by field."""

    @property
    def data_json(self) -> str:
        """The JSON text of `data`, byte for byte as it came."""

    def json(self) -> Any:
        """Parse the whole body.

        :raises InvalidPayloadError: when it is not JSON.
        """

    def __class_getitem__(cls, key: Any) -> GenericAlias: ...

@final
class Scheme:
    """How a platform signs. Built-in ones have names; others are described, see the guide."""

    def __new__(cls, **description: Any) -> Scheme:
        """Describe a scheme, with the keys of the TOML format as arguments.

        :raises ConfigurationError: when the description contradicts itself.
        """

    @staticmethod
    def builtin(name: str) -> Scheme:
        """Return the built-in scheme of that name."""

    @staticmethod
    def builtin_names() -> list[str]:
        """Return the names of all built-in schemes."""

    @staticmethod
    def from_toml(text: str) -> Scheme:
        """Read a scheme from its description in TOML."""

    @staticmethod
    def from_json(text: str) -> Scheme:
        """Read a scheme from its description in JSON."""

    @property
    def name(self) -> str:
        """The short name, such as ``standard-webhooks``."""

    @property
    def title(self) -> str:
        """The name for people."""

    @property
    def reference(self) -> str | None:
        """Where the platform documents the format."""

    @property
    def signs_url(self) -> bool:
        """Whether the URL is signed, so that a receiver behind a proxy has to know the one that the sender uses."""

    @property
    def has_timestamp(self) -> bool:
        """Whether messages carry a signed timestamp, so that old ones can be refused."""

    @property
    def has_id(self) -> bool:
        """Whether messages carry a signed id, so that repetitions can be told."""

    @property
    def headers(self) -> list[str]:
        """Every header that the scheme reads or writes."""

@final
class Profile:
    """Everything that makes a delivery look like one platform's: scheme, envelope, headers, event types."""

    @staticmethod
    def builtin(name: str) -> Profile:
        """Return the built-in profile of that name."""

    @staticmethod
    def builtin_names() -> list[str]:
        """Return the names of all built-in profiles."""

    @staticmethod
    def from_toml(text: str) -> Profile:
        """Read a profile from its description in TOML."""

    @staticmethod
    def from_json(text: str) -> Profile:
        """Read a profile from its description in JSON."""

    @property
    def signs_url(self) -> bool:
        """Whether the URL is signed."""

    @property
    def name(self) -> str:
        """The short name, such as ``filedgr``."""

    @property
    def title(self) -> str:
        """The name for people."""

    @property
    def scheme(self) -> Scheme:
        """The platform's own scheme."""

    @property
    def event_types(self) -> list[EventType]:
        """The event types that the platform documents."""

    @property
    def event_id_prefix(self) -> str:
        """What event ids start with, without the underscore."""

    @property
    def content_type(self) -> str:
        """The value of the ``Content-Type`` header."""

    @property
    def extra_fields(self) -> list[str]:
        """What the envelope has room for beside the data."""

    def is_success(self, status: int) -> bool:
        """Whether the platform takes this HTTP status as an acceptance."""

    def render(
        self, id: str, event_type: str, data: bytes, occurred_at_ms: int, extras: dict[str, bytes] = ...
    ) -> bytes:
        """Return the body of a delivery: the envelope, with `data` and extras, JSON texts, in it byte for byte."""

    def extra_headers(self, id: str, event_type: str) -> list[tuple[str, str]]:
        """Return the headers that the platform sends beside the signature."""

@final
class EventType:
    """An event type that a platform documents."""

    @property
    def name(self) -> str:
        """The name, such as ``vault.created``."""

    @property
    def description(self) -> str:
        """What it means, in the platform's words."""

    @property
    def sample(self) -> str | None:
        """The documented example of an event's data, as JSON text."""

    @property
    def schema(self) -> str | None:
        """The JSON Schema of an event's data, as JSON text."""
