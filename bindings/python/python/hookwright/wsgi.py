"""Webhooks in any WSGI application, without a framework::

    app = VerifyWebhooks(app, {"/webhooks/filedgr": Endpoint("filedgr", os.environ["FILEDGR_SECRET"])})

Requests to those paths get through only when they are verified. The event is ``environ["hookwright.event"]``, and the
body can be read as if nobody had.
"""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from hookwright._endpoint import Answer, Endpoint, Incoming, Refusal, stated_length
from hookwright._errors import HookwrightError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Endpoint", "Refusal", "VerifyWebhooks", "headers"]

_CHUNK = 1 << 16


class VerifyWebhooks:
    """Middleware: lets requests to some paths through only when they are verified, and each event once."""

    def __init__(self, app: WSGIApplication, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = dict(endpoints)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        endpoint = self._endpoints.get(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
        if endpoint is None:
            return self._app(environ, start_response)
        address: str | None = environ.get("REMOTE_ADDR")
        event = None
        try:
            incoming = _incoming(endpoint, environ, address)
            greeting = endpoint.greet(incoming)
            if greeting is not None:
                return _send(greeting, start_response)
            event = endpoint.verify(incoming)
            claim = endpoint.claim(event)
        except HookwrightError as error:
            return _send(endpoint.refuse(error, address=address, event=event), start_response)
        instead = endpoint.answer_instead(claim, event)
        if instead is not None:
            return _send(instead, start_response)
        environ["hookwright.event"] = event
        environ["wsgi.input"] = io.BytesIO(incoming.body)
        environ["CONTENT_LENGTH"] = str(len(incoming.body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)

        status = 500

        def watch_status(line: str, *rest: Any) -> Any:  # noqa: ANN401 - as WSGI has it
            nonlocal status
            status = int(line[:3])
            return start_response(line, *rest)

        succeeded = False
        try:
            parts = self._app(environ, watch_status)
            try:
                # The application may do its work, and fail, while the response is taken from it.
                response = list(parts)
            finally:
                close = getattr(parts, "close", None)
                if close is not None:
                    close()
            succeeded = status < 400
        finally:
            endpoint.settle(claim, succeeded=succeeded)
        return response


def headers(environ: WSGIEnvironment) -> list[tuple[str, str]]:
    """The headers of a WSGI environment as pairs, for :meth:`hookwright.Webhook.verify`."""
    pairs = [
        (name[5:].replace("_", "-"), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    ]
    named = [
        (name.replace("_", "-"), environ[name]) for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)
    ]
    return pairs + named


def _incoming(endpoint: Endpoint, environ: WSGIEnvironment, address: str | None) -> Incoming:
    method: str = environ["REQUEST_METHOD"]
    endpoint.check_address(address)
    body = _body(endpoint, environ)
    return Incoming(body, environ, method=method, url=_url(environ), address=address)


def _body(endpoint: Endpoint, environ: WSGIEnvironment) -> bytes:
    length = stated_length(str(environ.get("CONTENT_LENGTH") or ""))
    stream: Any = environ["wsgi.input"]
    if length is not None:
        endpoint.check_length(length)
        body: bytes = stream.read(length)
        return body
    if not environ.get("wsgi.input_terminated"):
        # Neither a length nor an end: reading would wait for ever.
        return b""
    chunks: list[bytes] = []
    size = 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        endpoint.check_length(size)
        chunks.append(chunk)
    return b"".join(chunks)


def _url(environ: WSGIEnvironment) -> str:
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    path = (
        (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
        .encode("latin-1", "replace")
        .decode("utf-8", "replace")
    )
    query = environ.get("QUERY_STRING")
    return f"{environ.get('wsgi.url_scheme', 'http')}://{host}{path}" + (f"?{query}" if query else "")


def _send(answer: Answer, start_response: StartResponse) -> list[bytes]:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Status"
    start_response(f"{answer.status} {phrase}", [*answer.headers, ("Content-Length", str(len(answer.body)))])
    return [answer.body]
