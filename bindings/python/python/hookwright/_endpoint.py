"""Endpoints: everything about receiving that no framework has a part in.

An adapter turns its request into an :class:`Incoming` and an :class:`Answer` into its response. What happens between
is the same everywhere, and in this order::

    address allowed? ─► body short enough? ─► signature ─► envelope ─► schema ─► claimed? ─► handler ─► settled

So nothing a stranger sends is parsed before its signature has been checked, and only a verified event that nobody else
has handled reaches a handler.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from hookwright._errors import (
    BodyTooLargeError,
    ConfigurationError,
    DecryptionError,
    HookwrightError,
    InvalidPayloadError,
    SchemaError,
    WebhookVerificationError,
)
from hookwright._native import DecryptionKey, Profile, Scheme, VerifiedWebhook, Webhook
from hookwright._validation import Schemas
from hookwright.dedupe import Claim, ClaimState, DedupeStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta

    from typing_extensions import Unpack

__all__ = ["DEFAULT_MAX_BODY", "Answer", "Endpoint", "EndpointOptions", "Incoming", "Refusal", "stated_length"]

#: Bodies may have one mebibyte; the longest that platforms send are a quarter of that.
DEFAULT_MAX_BODY = 1 << 20

#: What the sender is told to wait while another delivery of the same event is being handled.
_IN_FLIGHT_RETRY_SECONDS = 5

_logger = logging.getLogger("hookwright")

#: Where the code alone decides. Every other code of a verification error is 401, of a payload error 400, of our own
#: mistakes 500.
_STATUS_BY_CODE = {
    "address_not_allowed": 403,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "dedupe_full": 503,
}

_ERROR_BY_STATUS = {
    400: "invalid_payload",
    403: "forbidden",
    405: "method_not_allowed",
    413: "body_too_large",
    500: "internal_error",
    503: "unavailable",
}


@dataclass(frozen=True)
class Incoming:
    """A request, as an adapter hands it over."""

    body: bytes
    #: Headers in any form, or a WSGI environment.
    headers: Any
    method: str = "POST"
    url: str = ""
    #: The address of the peer.
    address: str | None = None


@dataclass(frozen=True)
class Answer:
    """A response, for an adapter to send."""

    status: int
    body: bytes
    #: Without a length.
    headers: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, status: int, content: Mapping[str, object], extra: Sequence[tuple[str, str]] = ()) -> Answer:
        """An answer in JSON."""
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), *extra]
        return cls(status, json.dumps(content, separators=(",", ":")).encode(), headers)


@dataclass(frozen=True)
class Refusal:
    """What `on_error` is called with. It has no headers and no body: those are secrets and other people's data."""

    endpoint: str
    code: str
    status: int
    error: HookwrightError
    address: str | None = None
    #: Of an event that was verified before it was refused.
    event_id: str | None = None
    event_type: str | None = None


class EndpointOptions(TypedDict, total=False):
    """The options of :class:`Endpoint`, by keyword, everywhere that takes them."""

    profile: str | Profile | None
    scheme: str | Scheme | None
    tolerance: int | timedelta | Literal["scheme"] | None
    max_body: int
    decryption_keys: str | DecryptionKey | Sequence[str | DecryptionKey] | None
    dedupe: DedupeStore | None
    dedupe_key: Callable[[VerifiedWebhook[Any]], str | None] | None
    validate: bool | Mapping[str, object]
    event_type: Callable[[VerifiedWebhook[Any]], str | None] | None
    version_of: Callable[[VerifiedWebhook[Any]], object] | None
    allowed_addresses: Iterable[str] | None
    statuses: Mapping[str, int]
    url: str | None
    methods: Sequence[str]
    handshake: bool | str
    verify_token: str | None
    allowed_origins: Sequence[str]
    on_error: Callable[[Refusal], None] | None
    clock: Callable[[], float]


@dataclass
class Options:
    """The settings of an endpoint; see :class:`Endpoint`."""

    secret: Any = None
    profile: str | Profile | None = None
    scheme: str | Scheme | None = None
    tolerance: int | timedelta | Literal["scheme"] | None = "scheme"
    max_body: int = DEFAULT_MAX_BODY
    decryption_keys: str | DecryptionKey | Sequence[str | DecryptionKey] | None = None
    dedupe: DedupeStore | None = None
    dedupe_key: Callable[[VerifiedWebhook[Any]], str | None] | None = None
    validate: bool | Mapping[str, object] = False
    event_type: Callable[[VerifiedWebhook[Any]], str | None] | None = None
    version_of: Callable[[VerifiedWebhook[Any]], object] | None = None
    allowed_addresses: Iterable[str] | None = None
    statuses: Mapping[str, int] = field(default_factory=dict[str, int])
    url: str | None = None
    methods: Sequence[str] = ("POST",)
    handshake: bool | str = True
    verify_token: str | None = None
    allowed_origins: Sequence[str] = ()
    on_error: Callable[[Refusal], None] | None = None
    clock: Callable[[], float] = time.time


class Endpoint:
    """One place where the webhooks of one platform come in.

    :param name: what the endpoint is called in logs, in dedupe keys and, if nothing else is said, the name of the
        built-in profile or scheme.
    :param secret: one secret, or several while one replaces another, newest first.
    :param profile: a profile or its name; with one, events have a type and data.
    :param scheme: instead of a profile, a scheme or its name.
    :param tolerance: how old a signed timestamp may be, in seconds; None does not look; default: as the scheme says.
    :param max_body: longest body in bytes; a longer one is refused with 413 before it is read.
    :param decryption_keys: private JWKs, for payloads that are encrypted to this receiver.
    :param dedupe: remembers which events were handled.
    :param dedupe_key: what tells events apart, for schemes that do not sign an id.
    :param validate: True checks data against the profile's JSON Schemas, a mapping from event types to schemas against
        those as well.
    :param event_type: where the type of an event is, for schemes without a profile.
    :param version_of: where the version of a payload is, for handlers of one version.
    :param allowed_addresses: networks such as ``203.0.113.0/24`` that requests may come from.
    :param statuses: HTTP statuses by error code, where the platform wants others.
    :param url: the URL that the sender was given, for schemes that sign it, when a proxy changes it.
    :param methods: the HTTP methods that deliveries come by.
    :param handshake: whether to answer what the platform asks an endpoint before it sends; a name chooses another one
        than that of the scheme, such as ``cloudevents``.
    :param verify_token: the token that the platform was given for its handshake, where it has one (Meta).
    :param allowed_origins: who may send, for handshakes with an origin (CloudEvents).
    :param on_error: called with a :class:`Refusal` for every request that is refused.
    :param clock: the current Unix time, for tests.
    """

    def __init__(
        self, name: str, secret: str | Sequence[str] | None = None, **options: Unpack[EndpointOptions]
    ) -> None:
        try:
            chosen = Options(secret=secret, **options)
        except TypeError as error:
            message = f"endpoint {name!r}: {str(error).split('() ')[-1]}"
            raise ConfigurationError(message) from None
        self.name = name
        profile, scheme = _dialect(name, chosen)
        try:
            self.webhook = Webhook(
                chosen.secret,
                profile=profile,
                scheme=scheme,
                tolerance=chosen.tolerance,
                decryption_keys=chosen.decryption_keys,
                handshake=chosen.handshake if isinstance(chosen.handshake, str) else None,
            )
        except HookwrightError as error:
            # Which of many endpoints it is would be hard to guess.
            raise type(error)(f"endpoint {name!r}: {error}", code=error.code) from None
        self.max_body = chosen.max_body
        self.url = chosen.url
        self._clock = chosen.clock
        self._methods = frozenset(method.upper() for method in chosen.methods)
        self._has_handshake = bool(chosen.handshake) and self.webhook.has_handshake
        self._verify_token = chosen.verify_token
        self._allowed_origins = list(chosen.allowed_origins)
        self._dedupe = chosen.dedupe
        self._dedupe_key = chosen.dedupe_key
        self._event_type = chosen.event_type
        self._version_of = chosen.version_of
        self._statuses = _checked_statuses(name, chosen.statuses)
        self._networks = _networks(name, chosen.allowed_addresses)
        self._on_error = chosen.on_error
        self._schemas = None
        if chosen.validate:
            own = None if chosen.validate is True else chosen.validate
            self._schemas = Schemas(self.webhook.profile, own)
        tells_apart = self.webhook.profile is not None or self.webhook.scheme.has_id or chosen.dedupe_key is not None
        if chosen.dedupe is not None and not tells_apart:
            message = f"endpoint {name!r}: scheme {self.webhook.scheme.name} signs no id; pass dedupe_key=… to dedupe"
            raise ConfigurationError(message)

    def __repr__(self) -> str:
        return f"<hookwright.Endpoint {self.name}>"

    @property
    def has_dedupe(self) -> bool:
        """Whether events are claimed before they are handled."""
        return self._dedupe is not None

    def check_address(self, address: str | None) -> None:
        """Refuse a peer that is not on the list."""
        if self._networks is None:
            return
        try:
            peer = ipaddress.ip_address((address or "").partition("%")[0])
        except ValueError:
            peer = None
        mapped = getattr(peer, "ipv4_mapped", None)
        if peer is None or not any((mapped or peer) in network for network in self._networks):
            message = "requests from this address are not allowed here"
            raise WebhookVerificationError(message, code="address_not_allowed")

    def check_length(self, length: int | None) -> None:
        """Refuse a body that is too long, before it is read if its length is known."""
        if length is not None and length > self.max_body:
            message = f"the body is longer than {self.max_body} bytes; see max_body"
            raise BodyTooLargeError(message)

    @property
    def needs_url(self) -> bool:
        """Whether the adapter has to find out the URL that the sender used."""
        dialect = self.webhook.profile or self.webhook.scheme
        return self._has_handshake or (self.url is None and dialect.signs_url)

    @property
    def methods(self) -> list[str]:
        """The HTTP methods that a route has to let through, handshakes included."""
        asked_by = {"GET", "OPTIONS", "POST", "PUT"} if self._has_handshake else set[str]()
        return sorted(self._methods | asked_by)

    def greet(self, incoming: Incoming) -> Answer | None:
        """The answer to what the platform asks an endpoint before it sends; None for a delivery."""
        if not self._has_handshake:
            return None
        self.check_address(incoming.address)
        reply = self.webhook.handshake(
            incoming.method,
            incoming.url,
            incoming.headers,
            incoming.body,
            verify_token=self._verify_token,
            allowed_origins=self._allowed_origins,
            now=self._clock(),
        )
        if reply is None:
            return None
        status, headers, body, refusal = reply
        if refusal is None:
            _logger.info("%s: answered a handshake", self.name)
        else:
            _logger.warning("%s: a handshake was refused with %s, %s", self.name, status, refusal)
        return Answer(status, body, headers)

    def verify(self, incoming: Incoming) -> VerifiedWebhook[Any]:
        """The event of a request, or an error that says why it is refused."""
        if incoming.method not in self._methods:
            message = f"webhooks come by {', '.join(sorted(self._methods))}, and this is {incoming.method}"
            raise WebhookVerificationError(message, code="method_not_allowed")
        self.check_address(incoming.address)
        self.check_length(len(incoming.body))
        url = incoming.url if self.url is None else self.url
        event = self.webhook.verify(incoming.body, incoming.headers, now=self._clock(), method=incoming.method, url=url)
        if self._schemas is not None:
            self._schemas.check(event)
        return event

    def type_of(self, event: VerifiedWebhook[Any]) -> str | None:
        """The type that the event is routed by; always something that was signed."""
        if self._event_type is not None:
            return self._event_type(event)
        if event.type is not None:
            return event.type
        document = event.json()
        found: object = document.get("type") if isinstance(document, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return found if isinstance(found, str) else None

    def version_of(self, event: VerifiedWebhook[Any]) -> str | None:
        """The version of the payload, as text."""
        version = None if self._version_of is None else self._version_of(event)
        return None if version is None else str(version)

    def claim(self, event: VerifiedWebhook[Any]) -> Claim | None:
        """The right to handle the event; None when there is no dedupe."""
        if self._dedupe is None:
            return None
        key = self._dedupe_key(event) if self._dedupe_key is not None else event.id
        if not key:
            message = "the event has no id to tell repetitions by"
            raise InvalidPayloadError(message, code="invalid_payload")
        return self._dedupe.claim(f"{self.name}:{key}")

    def answer_instead(self, claim: Claim | None, event: VerifiedWebhook[Any]) -> Answer | None:
        """What to answer without calling the handler, because somebody else has it or had it."""
        if claim is None or claim.state is ClaimState.NEW:
            return None
        if claim.state is ClaimState.DONE:
            _logger.info("%s: event %s was handled before", self.name, event.id)
            return Answer.of(200, {"status": "duplicate"})
        # Not a success: should the handler that is running fail, the sender's next attempt is all that is left.
        _logger.info("%s: event %s is being handled", self.name, event.id)
        return Answer.of(409, {"status": "in_flight"}, [("Retry-After", str(_IN_FLIGHT_RETRY_SECONDS))])

    def settle(self, claim: Claim | None, *, succeeded: bool) -> None:
        """End a claim after the handler."""
        if self._dedupe is None or claim is None:
            return
        try:
            still_ours = self._dedupe.done(claim) if succeeded else self._dedupe.release(claim)
        except Exception:
            # The event was handled, so asking the sender to repeat it would only make things worse. The lease keeps
            # repetitions out for a while.
            _logger.exception("%s: could not end the claim of %s", self.name, claim.key)
            return
        if not still_ours:
            _logger.warning("%s: the handler of %s took longer than the lease", self.name, claim.key)

    def accepted(self) -> Answer:
        """The answer when a handler returns nothing."""
        return Answer.of(200, {"status": "ok"})

    def ignored(self, event: VerifiedWebhook[Any]) -> Answer:
        """The answer to an event that no handler wants. Retrying would not change that, so it is a success."""
        _logger.info("%s: no handler for event %s of type %s", self.name, event.id, event.type)
        return Answer.of(200, {"status": "ignored"})

    def refuse(
        self, error: HookwrightError, *, address: str | None = None, event: VerifiedWebhook[Any] | None = None
    ) -> Answer:
        """The answer to a request that is refused. The exact reason goes to the log and to `on_error`."""
        status = self._statuses.get(error.code) or _status(error)
        refusal = Refusal(
            endpoint=self.name,
            code=error.code,
            status=status,
            error=error,
            address=address,
            event_id=event.id if event is not None else None,
            event_type=event.type if event is not None else None,
        )
        level = logging.ERROR if status >= 500 else logging.WARNING
        _logger.log(level, "%s: refused with %s, %s: %s", self.name, status, error.code, error)
        if self._on_error is not None:
            try:
                self._on_error(refusal)
            except Exception:
                # A broken alarm must not turn a refusal into something else.
                _logger.exception("%s: on_error failed", self.name)
        content: dict[str, object] = {"error": _ERROR_BY_STATUS.get(status, "invalid_webhook")}
        if isinstance(error, SchemaError):
            # The sender is proven to be the platform, and this is about its own data.
            content["details"] = [{"path": path, "message": message} for path, message in error.details]
        extra = [("Allow", ", ".join(sorted(self._methods)))] if status == 405 else []
        return Answer.of(status, content, extra)


def stated_length(text: str) -> int | None:
    """The length that a ``Content-Length`` header states; None without a number in it."""
    if not (text.isascii() and text.isdigit()):
        return None
    # Python refuses to convert thousands of digits, and no body is that long.
    return int(text[:18])


def _dialect(name: str, options: Options) -> tuple[str | Profile | None, str | Scheme | None]:
    """The profile or the scheme. If neither is given, the name says it."""
    if options.profile is not None or options.scheme is not None:
        return options.profile, options.scheme
    if name in Profile.builtin_names():
        return name, None
    if name in Scheme.builtin_names():
        return None, name
    message = f"endpoint {name!r}: there is no built-in profile or scheme of that name; pass profile=… or scheme=…"
    raise ConfigurationError(message)


def _status(error: HookwrightError) -> int:
    by_code = _STATUS_BY_CODE.get(error.code)
    if by_code is not None:
        return by_code
    if isinstance(error, WebhookVerificationError):
        return 401
    if isinstance(error, (InvalidPayloadError, DecryptionError)):
        return 400
    return 500


def _checked_statuses(name: str, statuses: Mapping[str, int]) -> dict[str, int]:
    for code, status in statuses.items():
        if not 400 <= status <= 599 or status == 410:
            message = (
                f"endpoint {name!r}: {status} for {code} cannot be: a success would swallow the event, and after 410 "
                "senders give up on the endpoint for good"
            )
            raise ConfigurationError(message)
    return dict(statuses)


def _networks(name: str, addresses: Iterable[str] | None) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network] | None:
    if addresses is None:
        return None
    try:
        return [ipaddress.ip_network(address) for address in addresses]
    except ValueError as error:
        message = f"endpoint {name!r}: allowed_addresses: {error}"
        raise ConfigurationError(message) from None
