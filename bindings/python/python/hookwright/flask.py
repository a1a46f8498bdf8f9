"""Webhooks in Flask: ``pip install hookwright[flask]``.

Three ways in, from the shortest to the most flexible::

    hooks = Hookwright(app)

    filedgr = hooks.blueprint("filedgr", os.environ["FILEDGR_SECRET"], path="/webhooks/filedgr")

    @filedgr.on("vault.created")           # handlers by event type
    def created(event): ...

    app.register_blueprint(filedgr)

    @app.post("/webhooks/github")          # or a view of one's own
    @hooks.verified("github", os.environ["GITHUB_SECRET"])
    def github(event): ...

    # or, in the configuration of the app: endpoints by name, used by `hooks.verified("stripe")`
    app.config["HOOKWRIGHT_ENDPOINTS"] = {"stripe": {"secret": [NEW, OLD], "tolerance": 300}}

The event of the current request is in ``flask.g.webhook`` as well.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import Blueprint, Flask, Request, Response, current_app, g, make_response, request
from werkzeug.exceptions import HTTPException

from hookwright._endpoint import Answer, Endpoint, EndpointOptions, Incoming, Refusal
from hookwright._errors import BodyConsumedError, BodyTooLargeError, ConfigurationError, HookwrightError, SecretError
from hookwright._router import Router

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Unpack

    from hookwright._native import VerifiedWebhook

__all__ = ["Endpoint", "EndpointOptions", "Hookwright", "Refusal", "WebhookBlueprint"]

View = TypeVar("View", bound="Callable[..., Any]")

_EXTENSION = "hookwright"


class Hookwright:
    """The extension: holds the endpoints of an app.

    Secrets are looked at when the app is set up, so one that is missing stops the start and not the first delivery.
    """

    def __init__(self, app: Flask | None = None, *, on_error: Callable[[Refusal], None] | None = None) -> None:
        self._on_error = on_error
        self._endpoints: dict[str, Endpoint] = {}
        #: Names that decorators were given without a secret, so the app's configuration must have one.
        self._promised: set[str] = set()
        self._app: Flask | None = None
        if app is not None:
            self.init_app(app)
            self._app = app

    def init_app(self, app: Flask) -> None:
        """Read ``HOOKWRIGHT_ENDPOINTS`` of the app."""
        configured: Mapping[str, Mapping[str, Any]] = (
            cast("dict[str, Any]", app.config).get("HOOKWRIGHT_ENDPOINTS") or {}
        )
        endpoints: dict[str, Endpoint] = {}
        for name, options in configured.items():
            others = cast("EndpointOptions", {key: value for key, value in options.items() if key != "secret"})
            endpoints[name] = Endpoint(name, options.get("secret"), **self._options(others))
        app.extensions[_EXTENSION] = endpoints
        for name in self._promised:
            self._check_known(app, name)

    def add(self, name: str, secret: str | Sequence[str] | None, **options: Unpack[EndpointOptions]) -> Endpoint:
        """Add an endpoint. The options are those of :class:`Endpoint`."""
        if name in self._endpoints:
            message = f"there is an endpoint {name!r} already"
            raise ConfigurationError(message)
        endpoint = Endpoint(name, secret, **self._options(options))
        self._endpoints[name] = endpoint
        return endpoint

    def verified(
        self,
        name: str,
        secret: str | Sequence[str] | None = None,
        **options: Unpack[EndpointOptions],
    ) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
        """Decorate a view, which then gets the verified event as its first argument, and nothing else gets in.

        With dedupe, a view that raises or answers with an error has not handled the event, and the next delivery of it
        is let in again.
        """
        if secret is not None or options:
            self.add(name, secret, **options)
        elif name not in self._endpoints:
            self._promised.add(name)
            if self._app is not None:
                self._check_known(self._app, name)

        def decorate(view: Callable[..., Any]) -> Callable[..., Response]:
            call = _sync(view)

            @functools.wraps(view)
            def receive(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
                endpoint = self._endpoint(name)
                return _receive(endpoint, functools.partial(_call, call, args, kwargs) if args or kwargs else call)

            return receive

        return decorate

    def blueprint(
        self,
        name: str,
        secret: str | Sequence[str] | None = None,
        *,
        path: str = "",
        url_prefix: str | None = None,
        **options: Unpack[EndpointOptions],
    ) -> WebhookBlueprint:
        """A blueprint with one route, which calls handlers by event type. Register it as any other."""
        if secret is not None or options:
            self.add(name, secret, **options)
        elif name not in self._endpoints:
            self._promised.add(name)
            if self._app is not None:
                self._check_known(self._app, name)
        return WebhookBlueprint(name, functools.partial(self._endpoint, name), path=path, url_prefix=url_prefix)

    def _options(self, options: EndpointOptions) -> EndpointOptions:
        if self._on_error is None:
            return options
        return {"on_error": self._on_error, **options}

    def _endpoint(self, name: str) -> Endpoint:
        own = self._endpoints.get(name)
        if own is not None:
            return own
        return _configured(current_app, name)

    def _check_known(self, app: Flask, name: str) -> None:
        if name not in self._endpoints:
            _configured(app, name)


def _configured(app: Flask, name: str) -> Endpoint:
    endpoints: dict[str, Endpoint] | None = app.extensions.get(_EXTENSION)
    if endpoints is None:
        message = "call hooks.init_app(app) before the first request"
        raise ConfigurationError(message)
    endpoint = endpoints.get(name)
    if endpoint is None:
        message = f"endpoint {name!r} has no secret: pass one, or add it to HOOKWRIGHT_ENDPOINTS of the app"
        raise SecretError(message, code="empty_secret")
    return endpoint


class WebhookBlueprint(Blueprint):
    """A blueprint whose handlers are chosen by the type of the event."""

    def __init__(
        self, name: str, endpoint: Callable[[], Endpoint], *, path: str = "", url_prefix: str | None = None
    ) -> None:
        super().__init__(f"hookwright_{name.replace('.', '_')}", __name__, url_prefix=url_prefix)
        self._resolve = endpoint
        self._router: Router[Callable[..., Any]] = Router()
        rule = path or ("" if url_prefix else f"/webhooks/{name}")
        # What the endpoint does not want is refused by it; some platforms ask something by GET before they send.
        methods = ["GET", "OPTIONS", "POST", "PUT"]
        self.add_url_rule(rule or "/", "receive", self._serve, methods=methods, provide_automatic_options=False)

    def on(self, *event_types: str, version: object = None) -> Callable[[View], View]:
        """Register a handler for event types: ``vault.created``, ``vault.*`` or ``*``.

        The most specific pattern wins. With `version`, the handler gets only payloads of that version, as the
        endpoint's `version_of` tells it.
        """

        def register(handler: View) -> View:
            for pattern in event_types or ("*",):
                self._router.add(pattern, None if version is None else str(version), handler)
            return handler

        return register

    def default(self, handler: View) -> View:
        """Register the handler for what no other handler wants."""
        self._router.add("*", None, handler)
        return handler

    def _serve(self) -> Any:  # noqa: ANN401
        endpoint = self._resolve()

        def handle(event: VerifiedWebhook[Any]) -> Any:  # noqa: ANN401
            handler = self._router.find(endpoint.type_of(event), endpoint.version_of(event))
            if handler is None:
                return _response(endpoint.ignored(event))
            return _sync(handler)(event)

        return _receive(endpoint, handle)


def _sync(view: Callable[..., Any]) -> Callable[..., Any]:
    """A view as Flask can call it; its own way of running coroutine functions can be replaced per app."""
    if not inspect.iscoroutinefunction(view):
        return view
    return lambda *args, **kwargs: current_app.ensure_sync(view)(*args, **kwargs)


def _call(view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], event: VerifiedWebhook[Any]) -> Any:  # noqa: ANN401
    return view(event, *args, **kwargs)


def _receive(endpoint: Endpoint, handle: Callable[[VerifiedWebhook[Any]], Any]) -> Any:  # noqa: ANN401 - what views return
    """One request, from its bytes to the response."""
    # The proxy looks for the request anew on every access, so it is asked once.
    received: Request = cast("Any", request)._get_current_object()  # noqa: SLF001 - documented by werkzeug
    event: VerifiedWebhook[Any] | None = None
    try:
        incoming = _incoming(endpoint, received)
        greeting = endpoint.greet(incoming)
        if greeting is not None:
            return _response(greeting)
        event = endpoint.verify(incoming)
        claim = endpoint.claim(event)
    except HookwrightError as error:
        return _response(endpoint.refuse(error, address=received.remote_addr, event=event))
    instead = endpoint.answer_instead(claim, event)
    if instead is not None:
        return _response(instead)
    g.webhook = event
    succeeded = False
    try:
        result = handle(event)
        if result is None:
            result = _response(endpoint.accepted())
        if claim is not None:
            # What Flask would make of it now decides whether the event was handled.
            result = make_response(result)
            succeeded = result.status_code < 400
    except HookwrightError as error:
        # The handler asked for data that is not JSON, for one.
        return _response(endpoint.refuse(error, address=received.remote_addr, event=event))
    except HTTPException as error:
        succeeded = error.code is not None and error.code < 400
        raise
    finally:
        endpoint.settle(claim, succeeded=succeeded)
    return result


def _incoming(endpoint: Endpoint, received: Request) -> Incoming:
    address = received.remote_addr
    endpoint.check_address(address)
    # Of the app's own limit and the endpoint's, the tighter one holds.
    limit = received.max_content_length
    limit = endpoint.max_body if limit is None else min(limit, endpoint.max_body)
    length = received.content_length
    _check_length(limit, length)
    # One more byte than allowed: werkzeug cuts a body without a stated length at its maximum, and then a body that is
    # too long could not be told from one that just fits.
    received.max_content_length = limit + 1
    parsed_before = "form" in received.__dict__ and "_cached_data" not in received.__dict__
    # Before anything looks at `form` or `json`, and into the cache, so that the view still can.
    body = received.get_data(cache=True, parse_form_data=False)
    _check_length(limit, len(body))
    if parsed_before and not body and length:
        message = (
            "something read request.form before the signature was checked, so the signed bytes are gone; look "
            "for a before_request function or a middleware, and let it call request.get_data() first"
        )
        raise BodyConsumedError(message)
    url = received.url if endpoint.needs_url else ""
    return Incoming(body, received.environ, method=received.method, url=url, address=address)


def _check_length(limit: int, length: int | None) -> None:
    if length is not None and length > limit:
        message = f"the body is longer than {limit} bytes; see max_body and MAX_CONTENT_LENGTH"
        raise BodyTooLargeError(message)


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, list(answer.headers))
