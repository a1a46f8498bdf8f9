"""Webhooks in FastAPI: ``pip install hookwright[fastapi]``.

As a parameter of a path operation::

    hooks = Hookwright(app)

    @app.post("/webhooks/filedgr")
    async def filedgr(event: Annotated[VerifiedWebhook, hooks.event("filedgr", os.environ["FILEDGR_SECRET"])]): ...

or as a router, with handlers by event type::

    filedgr = hooks.router("filedgr", os.environ["FILEDGR_SECRET"], path="/webhooks/filedgr")

    @filedgr.on("vault.created")
    async def created(event): ...

    app.include_router(filedgr)
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hookwright._endpoint import Answer, Endpoint, EndpointOptions, Refusal
from hookwright._errors import ConfigurationError, HookwrightError, SecretError
from hookwright._native import VerifiedWebhook
from hookwright.starlette import Receiver, address_of, claimed, incoming, response_of, settled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

__all__ = ["Endpoint", "EndpointOptions", "Hookwright", "Refusal", "WebhookRouter"]

Handler = TypeVar("Handler", bound=Callable[..., Any])


class _Answered(HTTPException):
    """Ends a request before the path operation. Without :class:`Hookwright` on the app it is a plain HTTP error."""

    def __init__(self, answer: Answer) -> None:
        content: Any = json.loads(answer.body) if answer.body.startswith(b"{") else answer.body.decode()
        super().__init__(answer.status, content, dict(answer.headers))
        self.answer = answer


async def _send_answer(_: Request, error: Exception) -> Response:
    if not isinstance(error, _Answered):
        raise error
    return response_of(error.answer)


class Hookwright:
    """The endpoints of an app."""

    def __init__(
        self,
        app: FastAPI | None = None,
        *,
        endpoints: Mapping[str, Mapping[str, Any]] | None = None,
        on_error: Callable[[Refusal], None] | None = None,
    ) -> None:
        self._on_error = on_error
        self._endpoints: dict[str, Endpoint] = {}
        for name, options in (endpoints or {}).items():
            self.add(name, **options)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: FastAPI) -> None:
        """Let refusals have the same form as everywhere else, instead of FastAPI's ``{"detail": …}``."""
        app.add_exception_handler(_Answered, _send_answer)

    def add(self, name: str, secret: str | Sequence[str] | None, **options: Unpack[EndpointOptions]) -> Endpoint:
        """Add an endpoint. The options are those of :class:`Endpoint`."""
        if name in self._endpoints:
            message = f"there is an endpoint {name!r} already"
            raise ConfigurationError(message)
        if self._on_error is not None:
            options.setdefault("on_error", self._on_error)
        endpoint = Endpoint(name, secret, **options)
        self._endpoints[name] = endpoint
        return endpoint

    def event(self, name: str, secret: str | Sequence[str] | None = None, **options: Unpack[EndpointOptions]) -> Any:  # noqa: ANN401
        """A dependency that is the verified event; what cannot be verified never gets to the path operation.

        With dedupe, a path operation that raises has not handled the event.
        """
        return Depends(self.verified(name, secret, **options), scope="function")

    def verified(
        self,
        name: str,
        secret: str | Sequence[str] | None = None,
        **options: Unpack[EndpointOptions],
    ) -> Callable[[Request], AsyncIterator[VerifiedWebhook[Any]]]:
        """The function behind :meth:`event`, for `Depends` with arguments of one's own."""
        endpoint = self._resolve(name, secret, options)

        async def receive(request: Request) -> AsyncIterator[VerifiedWebhook[Any]]:
            address = address_of(request)
            event: VerifiedWebhook[Any] | None = None
            try:
                received = await incoming(endpoint, request)
                greeting = endpoint.greet(received)
                if greeting is not None:
                    raise _Answered(greeting)
                event = endpoint.verify(received)
                claim = await claimed(endpoint, event)
            except HookwrightError as error:
                raise _Answered(endpoint.refuse(error, address=address, event=event)) from None
            instead = endpoint.answer_instead(claim, event)
            if instead is not None:
                raise _Answered(instead)
            succeeded = False
            try:
                yield event
                succeeded = True
            except HookwrightError as error:
                raise _Answered(endpoint.refuse(error, address=address, event=event)) from None
            finally:
                await settled(endpoint, claim, succeeded=succeeded)

        return receive

    def router(
        self,
        name: str,
        secret: str | Sequence[str] | None = None,
        *,
        path: str = "",
        **options: Unpack[EndpointOptions],
    ) -> WebhookRouter:
        """A router with one route, which calls handlers by event type."""
        return WebhookRouter(self._resolve(name, secret, options), path=path or f"/webhooks/{name}")

    def _resolve(self, name: str, secret: str | Sequence[str] | None, options: EndpointOptions) -> Endpoint:
        if secret is not None or options:
            return self.add(name, secret, **options)
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            message = f"endpoint {name!r} has no secret: pass one, or add the endpoint first"
            raise SecretError(message, code="empty_secret")
        return endpoint


class WebhookRouter(APIRouter):
    """A router whose handlers are chosen by the type of the event."""

    def __init__(self, endpoint: Endpoint, *, path: str) -> None:
        super().__init__()
        self._receiver = Receiver(endpoint)
        self.add_api_route(
            path, self._receiver.respond, methods=endpoint.methods, response_model=None, name=endpoint.name
        )

    def on(self, *event_types: str, version: object = None) -> Callable[[Handler], Handler]:
        """Register a handler for event types: ``vault.created``, ``vault.*`` or ``*``."""
        return self._receiver.on(*event_types, version=version)

    def default_handler(self, handler: Handler) -> Handler:
        """Register the handler for what no other handler wants."""
        return self._receiver.default(handler)
