"""Webhooks in Django: ``pip install hookwright[django]``.

Secrets belong into the settings::

    INSTALLED_APPS = [..., "hookwright.django.HookwrightConfig"]   # checks them when the server starts
    HOOKWRIGHT_ENDPOINTS = {"filedgr": {"secret": os.environ["FILEDGR_SECRET"]}}

and handlers into the views, by event type or as a view of one's own::

    filedgr = WebhookView("filedgr")            # path("webhooks/filedgr", filedgr)

    @filedgr.on("vault.created")
    def created(event): ...

    @verified("github")                         # path("webhooks/github", github)
    def github(request, event): ...
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from django.http.request import RawPostDataException

from hookwright._endpoint import Answer, Endpoint, EndpointOptions, Incoming, Refusal, stated_length
from hookwright._errors import (
    BodyConsumedError,
    BodyTooLargeError,
    HookwrightError,
    SecretError,
)
from hookwright._router import Router

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.http import HttpRequest
    from typing_extensions import Unpack

    from hookwright._native import VerifiedWebhook
    from hookwright.dedupe import Claim

__all__ = ["Endpoint", "EndpointOptions", "HookwrightConfig", "Refusal", "WebhookView", "verified"]

View = TypeVar("View", bound="Callable[..., Any]")


class HookwrightConfig(AppConfig):
    """Checks the endpoints in the settings when the server starts, and not on the first delivery."""

    name = "hookwright.django"
    label = "hookwright"

    def ready(self) -> None:
        """Make every endpoint once."""
        for name in _configured():
            _endpoint(name, None, {})


def verified(
    name: str,
    secret: str | Sequence[str] | None = None,
    **options: Unpack[EndpointOptions],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a view, which then gets the verified event as its second argument. It is exempt from CSRF checks."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        endpoint = _endpoint(name, secret, options)

        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            async def receive_async(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ANN401
                return await _receive_async(endpoint, request, functools.partial(view, request), args, kwargs)

            receive_async.csrf_exempt = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
            return receive_async

        @functools.wraps(view)
        def receive(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ANN401
            return _receive(endpoint, request, functools.partial(view, request), args, kwargs)

        receive.csrf_exempt = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
        return receive

    return decorate


class WebhookView:
    """A view that calls handlers by event type. Put it into `urlpatterns` as it is."""

    #: Read by Django: a webhook has no cookie that could be abused.
    csrf_exempt = True

    def __init__(
        self, name: str, secret: str | Sequence[str] | None = None, **options: Unpack[EndpointOptions]
    ) -> None:
        self._endpoint = _endpoint(name, secret, options)
        self._router: Router[Callable[..., Any]] = Router()
        self.__name__ = f"hookwright_{name}"

    def on(self, *event_types: str, version: object = None) -> Callable[[View], View]:
        """Register a handler for event types: ``vault.created``, ``vault.*`` or ``*``."""

        def register(handler: View) -> View:
            for pattern in event_types or ("*",):
                self._router.add(pattern, None if version is None else str(version), handler)
            return handler

        return register

    def default(self, handler: View) -> View:
        """Register the handler for what no other handler wants."""
        self._router.add("*", None, handler)
        return handler

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve one request."""
        return _receive(self._endpoint, request, self._handle, (), {})

    def _handle(self, event: VerifiedWebhook[Any]) -> Any:  # noqa: ANN401
        handler = self._router.find(self._endpoint.type_of(event), self._endpoint.version_of(event))
        if handler is None:
            return _response(self._endpoint.ignored(event))
        if inspect.iscoroutinefunction(handler):
            return async_to_sync(handler)(event)
        return handler(event)


def _receive(
    endpoint: Endpoint,
    request: HttpRequest,
    handle: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> HttpResponse:
    begun = _begin(endpoint, request)
    if isinstance(begun, HttpResponse):
        return begun
    event, claim = begun
    succeeded = False
    try:
        response = _handled(endpoint, handle(event, *args, **kwargs))
        succeeded = response.status_code < 400
    except HookwrightError as error:
        return _response(endpoint.refuse(error, address=_address(request), event=event))
    finally:
        endpoint.settle(claim, succeeded=succeeded)
    return response


async def _receive_async(
    endpoint: Endpoint,
    request: HttpRequest,
    handle: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> HttpResponse:
    begun = await sync_to_async(_begin)(endpoint, request)
    if isinstance(begun, HttpResponse):
        return begun
    event, claim = begun
    succeeded = False
    try:
        response = _handled(endpoint, await handle(event, *args, **kwargs))
        succeeded = response.status_code < 400
    except HookwrightError as error:
        return _response(endpoint.refuse(error, address=_address(request), event=event))
    finally:
        await sync_to_async(endpoint.settle)(claim, succeeded=succeeded)
    return response


def _begin(endpoint: Endpoint, request: HttpRequest) -> tuple[VerifiedWebhook[Any], Claim | None] | HttpResponse:
    address = _address(request)
    event: VerifiedWebhook[Any] | None = None
    try:
        incoming = _incoming(endpoint, request, address)
        greeting = endpoint.greet(incoming)
        if greeting is not None:
            return _response(greeting)
        event = endpoint.verify(incoming)
        claim = endpoint.claim(event)
    except HookwrightError as error:
        return _response(endpoint.refuse(error, address=address, event=event))
    instead = endpoint.answer_instead(claim, event)
    return (event, claim) if instead is None else _response(instead)


def _incoming(endpoint: Endpoint, request: HttpRequest, address: str | None) -> Incoming:
    endpoint.check_address(address)
    endpoint.check_length(stated_length(str(request.META.get("CONTENT_LENGTH") or "")))
    try:
        body = request.body
    except RequestDataTooBig:
        message = "the body is longer than DATA_UPLOAD_MAX_MEMORY_SIZE"
        raise BodyTooLargeError(message) from None
    except RawPostDataException:
        message = (
            "something read request.POST before the signature was checked, so the signed bytes are gone; look "
            "for a middleware, and let it touch request.body first"
        )
        raise BodyConsumedError(message) from None
    url = request.build_absolute_uri() if endpoint.needs_url else ""
    return Incoming(body, request.META, method=request.method or "", url=url, address=address)


def _handled(endpoint: Endpoint, result: object) -> HttpResponse:
    if result is None:
        return _response(endpoint.accepted())
    if not isinstance(result, HttpResponse):
        message = f"the handler returned {type(result).__name__}, not HttpResponse or None"
        raise TypeError(message)
    return result


def _address(request: HttpRequest) -> str | None:
    address: str | None = request.META.get("REMOTE_ADDR")
    return address


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


_endpoints: dict[str, Endpoint] = {}


def _configured() -> Mapping[str, Mapping[str, Any]]:
    return getattr(settings, "HOOKWRIGHT_ENDPOINTS", None) or {}


def _endpoint(name: str, secret: str | Sequence[str] | None, options: EndpointOptions) -> Endpoint:
    if secret is not None or options:
        return Endpoint(name, secret, **options)
    if name not in _endpoints:
        configured = _configured().get(name)
        if configured is None:
            message = f"endpoint {name!r} has no secret: pass one, or add it to HOOKWRIGHT_ENDPOINTS in the settings"
            raise SecretError(message, code="empty_secret")
        _endpoints[name] = Endpoint(name, **configured)
    return _endpoints[name]
