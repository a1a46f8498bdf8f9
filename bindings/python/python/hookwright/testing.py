"""Test receivers with requests that are signed as the platform signs them.

::

    def test_a_new_vault_is_stored():
        sender = WebhookSender("filedgr", secret="the secret of the app under test")
        response = sender.post(app.test_client(), "/webhooks/filedgr", "vault.created", {"vaultId": "vault_1"})
        assert response.status_code == 200

`post` works with the test clients of Flask, Django, Starlette and FastAPI, and httpx. With pytest, the fixture
``webhook_sender`` makes senders. Handlers alone are tested with :func:`verified_event`.
"""

from __future__ import annotations

import inspect
import json
import secrets as _secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from hookwright._errors import ConfigurationError
from hookwright._native import Profile, Scheme, VerifiedWebhook, Webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SAMPLE_SECRET", "SignedRequest", "WebhookSender", "verified_event"]

#: A secret for tests, of a form that every built-in scheme with shared secrets takes.
SAMPLE_SECRET = "whsec_dGVzdHMtb25seS1uZXZlci1pbi1wcm9kdWN0aW9uISE="  # noqa: S105 - it says so itself


@dataclass(frozen=True)
class SignedRequest:
    """A request, ready to be sent."""

    body: bytes
    #: With the ones beside the signature, and the content type.
    headers: dict[str, str]
    #: The id that the receiver will see.
    event_id: str

    def tampered(self) -> SignedRequest:
        """The same request with another body, which a receiver must refuse."""
        return SignedRequest(self.body + b" ", self.headers, self.event_id)

    def with_header(self, name: str, value: str) -> SignedRequest:
        """The same request with one header changed or added."""
        others = {key: kept for key, kept in self.headers.items() if key.lower() != name.lower()}
        return SignedRequest(self.body, {**others, name: value}, self.event_id)


class WebhookSender:
    """Plays the platform.

    :param dialect: the name of a profile or a scheme, or one of these objects.
    :param secret: the secret that the receiver has.
    """

    def __init__(
        self,
        dialect: str | Profile | Scheme,
        secret: str | Sequence[str] = SAMPLE_SECRET,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        if isinstance(dialect, str):
            dialect = _named(dialect)
        self.profile = dialect if isinstance(dialect, Profile) else None
        if isinstance(dialect, Profile):
            self.webhook = Webhook(secret, profile=dialect)
        else:
            self.webhook = Webhook(secret, scheme=dialect)

    def event(
        self,
        event_type: str,
        data: object = None,
        *,
        event_id: str | None = None,
        occurred_at: float | None = None,
        timestamp: float | None = None,
        url: str = "",
    ) -> SignedRequest:
        """An event as the platform sends it. Without data, the example of the platform's documentation.

        :param event_id: repeat one to play a repeated delivery.
        :param occurred_at: Unix time of the event; default: now.
        :param timestamp: Unix time of this delivery; default: now.
        """
        if self.profile is None:
            message = "a scheme has no envelope for an event; use body(…), or a profile"
            raise ConfigurationError(message)
        data_text = _sample(self.profile, event_type) if data is None else json.dumps(data, separators=(",", ":"))
        event_id = event_id or f"{self.profile.event_id_prefix}_{_secrets.token_hex(12)}"
        occurred_at = self._clock() if occurred_at is None else occurred_at
        body = self.profile.render(event_id, event_type, data_text.encode(), int(occurred_at * 1000))
        return self.body(body, event_type=event_type, event_id=event_id, timestamp=timestamp, url=url)

    def body(
        self,
        body: bytes,
        *,
        event_type: str = "",
        event_id: str | None = None,
        timestamp: float | None = None,
        url: str = "",
    ) -> SignedRequest:
        """Any bytes, signed."""
        event_id = event_id or f"msg_{_secrets.token_hex(12)}"
        timestamp = self._clock() if timestamp is None else timestamp
        signed = self.webhook.sign(body, id=event_id, timestamp=timestamp, event_type=event_type, url=url)
        headers = {"Content-Type": "application/json" if self.profile is None else self.profile.content_type}
        if self.profile is not None:
            headers.update(self.profile.extra_headers(event_id, event_type))
        return SignedRequest(body, {**headers, **signed}, event_id)

    def post(self, client: Any, path: str, event_type: str, data: object = None, **options: Any) -> Any:  # noqa: ANN401
        """Send an event through a test client, and return its response."""
        return self.send(client, path, self.event(event_type, data, **options))

    def send(self, client: Any, path: str, request: SignedRequest) -> Any:  # noqa: ANN401
        """Send a request through a test client, and return its response."""
        # Without importing frameworks that the tests at hand may not have.
        origins = {base.__module__.partition(".")[0] for base in inspect.getmro(type(cast("object", client)))}
        if "django" in origins:
            headers = dict(request.headers)
            content_type = headers.pop("Content-Type")
            return client.post(path, data=request.body, content_type=content_type, headers=headers)
        if origins & {"starlette", "httpx", "httpx2", "fastapi"}:
            return client.post(path, content=request.body, headers=request.headers)
        return client.post(path, data=request.body, headers=request.headers)


def verified_event(
    event_type: str,
    data: object = None,
    *,
    profile: str | Profile = "generic",
    **options: Any,  # noqa: ANN401
) -> VerifiedWebhook[Any]:
    """A verified event for calling a handler directly: it is signed and verified with a secret made for it."""
    secret = f"whsec_{_secrets.token_hex(32)}"
    sender = WebhookSender(Profile.builtin(profile) if isinstance(profile, str) else profile, secret)
    request = sender.event(event_type, data, **options)
    headers: Mapping[str, str] = request.headers
    return sender.webhook.verify(request.body, headers)


def _named(name: str) -> Profile | Scheme:
    return Profile.builtin(name) if name in Profile.builtin_names() else Scheme.builtin(name)


def _sample(profile: Profile, event_type: str) -> str:
    for known in profile.event_types:
        if known.name == event_type:
            return known.sample or "{}"
    message = f"profile {profile.name} documents no {event_type}; pass data=…"
    raise ConfigurationError(message)
