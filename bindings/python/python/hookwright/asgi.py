"""Webhooks in any ASGI application, without a framework::

    app = VerifyWebhooks(app, {"/webhooks/filedgr": Endpoint("filedgr", os.environ["FILEDGR_SECRET"])})

Requests to those paths get through only when they are verified. The event is ``scope["hookwright.event"]``, and the
body comes as if nobody had read it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hookwright._endpoint import Answer, Endpoint, Incoming, Refusal, stated_length
from hookwright._errors import HookwrightError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    _Scope = MutableMapping[str, Any]
    _Message = MutableMapping[str, Any]
    _Receive = Callable[[], Awaitable[_Message]]
    _Send = Callable[[_Message], Awaitable[None]]
    _Application = Callable[[_Scope, _Receive, _Send], Awaitable[None]]

__all__ = ["Endpoint", "Refusal", "VerifyWebhooks"]


class _DisconnectedError(Exception):
    """The peer left before its request was complete."""


class VerifyWebhooks:
    """Middleware: lets requests to some paths through only when they are verified, and each event once."""

    def __init__(self, app: _Application, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = dict(endpoints)

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Serve one request."""
        endpoint = self._endpoints.get(scope.get("path", "")) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        peer = scope.get("client")
        address: str | None = peer[0] if peer else None
        event = None
        try:
            incoming = await _incoming(endpoint, scope, receive, address)
            greeting = endpoint.greet(incoming)
            if greeting is not None:
                await _send(greeting, send)
                return
            event = endpoint.verify(incoming)
            claim = await asyncio.to_thread(endpoint.claim, event) if endpoint.has_dedupe else None
        except _DisconnectedError:
            return
        except HookwrightError as error:
            await _send(endpoint.refuse(error, address=address, event=event), send)
            return
        instead = endpoint.answer_instead(claim, event)
        if instead is not None:
            await _send(instead, send)
            return
        status = 500
        unread = True

        async def replay() -> _Message:
            nonlocal unread
            if unread:
                unread = False
                return {"type": "http.request", "body": incoming.body, "more_body": False}
            return await receive()

        async def watch_status(message: _Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        succeeded = False
        try:
            await self._app({**scope, "hookwright.event": event}, replay, watch_status)
            succeeded = status < 400
        finally:
            if claim is not None:
                await asyncio.to_thread(endpoint.settle, claim, succeeded=succeeded)


async def _incoming(endpoint: Endpoint, scope: _Scope, receive: _Receive, address: str | None) -> Incoming:
    endpoint.check_address(address)
    for name, value in scope["headers"]:
        if name == b"content-length":
            endpoint.check_length(stated_length(value.decode("latin-1")))
    chunks: list[bytes] = []
    size = 0
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise _DisconnectedError
        chunk: bytes = part.get("body", b"")
        size += len(chunk)
        endpoint.check_length(size)
        chunks.append(chunk)
        if not part.get("more_body"):
            break
    return Incoming(b"".join(chunks), scope["headers"], method=scope["method"], url=_url(scope), address=address)


def _url(scope: _Scope) -> str:
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{scope.get('scheme', 'http')}://{host}{path}" + (f"?{query}" if query else "")


async def _send(answer: Answer, send: _Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
