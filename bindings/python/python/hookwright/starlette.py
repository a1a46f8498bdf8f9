"""Webhooks in Starlette, without FastAPI::

filedgr = Receiver("filedgr", os.environ["FILEDGR_SECRET"])

@filedgr.on("vault.created")
async def created(event): ...

app = Starlette(routes=[Route("/webhooks/filedgr", filedgr, methods=["POST"])])
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hookwright._endpoint import Answer, Endpoint, EndpointOptions, Incoming, Refusal, stated_length
from hookwright._errors import BodyConsumedError, HookwrightError
from hookwright._router import Router

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Receive, Scope, Send
    from typing_extensions import Unpack

    from hookwright._native import VerifiedWebhook
    from hookwright.dedupe import Claim

__all__ = ["Endpoint", "EndpointOptions", "Receiver", "Refusal"]

Handler = TypeVar("Handler", bound="Callable[..., Any]")


class Receiver:
    """An ASGI application for one endpoint, which calls handlers by event type.

    Handlers may be coroutine functions; others run in Starlette's threads.
    """

    def __init__(
        self, name: str | Endpoint, secret: str | Sequence[str] | None = None, **options: Unpack[EndpointOptions]
    ) -> None:
        self.endpoint = name if isinstance(name, Endpoint) else Endpoint(name, secret, **options)
        self._router: Router[Callable[..., Any]] = Router()

    def on(self, *event_types: str, version: object = None) -> Callable[[Handler], Handler]:
        """Register a handler for event types: ``vault.created``, ``vault.*`` or ``*``."""

        def register(handler: Handler) -> Handler:
            for pattern in event_types or ("*",):
                self._router.add(pattern, None if version is None else str(version), handler)
            return handler

        return register

    def default(self, handler: Handler) -> Handler:
        """Register the handler for what no other handler wants."""
        self._router.add("*", None, handler)
        return handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self.respond(Request(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """The response to one request."""
        endpoint = self.endpoint
        address = address_of(request)
        event: VerifiedWebhook[Any] | None = None
        try:
            received = await incoming(endpoint, request)
            greeting = endpoint.greet(received)
            if greeting is not None:
                return response_of(greeting)
            event = endpoint.verify(received)
            claim = await claimed(endpoint, event)
        except HookwrightError as error:
            return response_of(endpoint.refuse(error, address=address, event=event))
        instead = endpoint.answer_instead(claim, event)
        if instead is not None:
            return response_of(instead)
        succeeded = False
        try:
            response = await self._handle(event)
            succeeded = response.status_code < 400
        except HookwrightError as error:
            return response_of(endpoint.refuse(error, address=address, event=event))
        except HTTPException as error:
            succeeded = error.status_code < 400
            raise
        finally:
            await settled(endpoint, claim, succeeded=succeeded)
        return response

    async def _handle(self, event: VerifiedWebhook[Any]) -> Response:
        handler = self._router.find(self.endpoint.type_of(event), self.endpoint.version_of(event))
        if handler is None:
            return response_of(self.endpoint.ignored(event))
        if inspect.iscoroutinefunction(handler):
            result = await handler(event)
        else:
            result = await run_in_threadpool(handler, event)
        if isinstance(result, Response):
            return result
        return response_of(self.endpoint.accepted()) if result is None else JSONResponse(result)


async def incoming(endpoint: Endpoint, request: Request) -> Incoming:
    """The request with its body, read once and kept for whoever asks for it later."""
    address = address_of(request)
    endpoint.check_address(address)
    endpoint.check_length(stated_length(request.headers.get("content-length", "")))
    body: bytes | None = getattr(request, "_body", None)
    if body is None:
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                endpoint.check_length(size)
                chunks.append(chunk)
        except RuntimeError:
            message = (
                "something read the body before the signature was checked, so the signed bytes are gone; look "
                "for a middleware, and let it call await request.body()"
            )
            raise BodyConsumedError(message) from None
        body = b"".join(chunks)
        # Where Starlette keeps it too, so that request.body() and request.json() work afterwards.
        request._body = body  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    url = str(request.url) if endpoint.needs_url else ""
    return Incoming(body, request.headers.raw, method=request.method, url=url, address=address)


async def claimed(endpoint: Endpoint, event: VerifiedWebhook[Any]) -> Claim | None:
    """The claim of an event, made off the event loop: stores wait for disks and networks."""
    if not endpoint.has_dedupe:
        return None
    return await run_in_threadpool(endpoint.claim, event)


async def settled(endpoint: Endpoint, claim: Claim | None, *, succeeded: bool) -> None:
    """End a claim, off the event loop."""
    if claim is not None:
        await run_in_threadpool(endpoint.settle, claim, succeeded=succeeded)


def address_of(request: Request) -> str | None:
    """The address of the peer."""
    return request.client.host if request.client is not None else None


def response_of(answer: Answer) -> Response:
    """An answer as a response."""
    return Response(answer.body, answer.status, dict(answer.headers))
