"""Every adapter, held to the same promises. What only Flask can do is in `test_flask.py`."""

import asyncio
import io
import json
import threading
import uuid

import pytest

from hookwright import BodyConsumedError, InvalidPayloadError
from hookwright.dedupe import MemoryDedupe
from hookwright.testing import SAMPLE_SECRET, SignedRequest, WebhookSender

#: One app per test would mean one Django per test; so all of Django's views hang below paths of their own.
DJANGO_URLS = []


def flask_decorator(name, handler, options):
    from flask import Flask

    from hookwright.flask import Hookwright

    app = Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    hooks = Hookwright(app)
    app.post("/hook")(hooks.verified(name, SAMPLE_SECRET, **options)(handler))
    return werkzeug_post(app.test_client())


def flask_blueprint(name, handler, options):
    from flask import Flask

    from hookwright.flask import Hookwright

    app = Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    blueprint = Hookwright(app).blueprint(name, SAMPLE_SECRET, path="/hook", **options)
    blueprint.on("*")(handler)
    app.register_blueprint(blueprint)
    return werkzeug_post(app.test_client())


def werkzeug_post(client):
    def post(request, method="POST"):
        peer = {"REMOTE_ADDR": "127.0.0.1"}
        response = client.open("/hook", method=method, data=request.body, headers=request.headers, environ_base=peer)
        return response.status_code, response.data, response.headers

    return post


def fastapi_dependency(name, handler, options):
    from typing import Annotated

    from fastapi import FastAPI

    from hookwright import VerifiedWebhook
    from hookwright.fastapi import Hookwright

    app = FastAPI()
    hooks = Hookwright(app)

    @app.post("/hook")
    async def hook(event: Annotated[VerifiedWebhook, hooks.event(name, SAMPLE_SECRET, **options)]):
        handler(event)

    return starlette_post(app)


def fastapi_sync_dependency(name, handler, options):
    from typing import Annotated

    from fastapi import FastAPI

    from hookwright import VerifiedWebhook
    from hookwright.fastapi import Hookwright

    app = FastAPI()
    hooks = Hookwright(app)

    @app.post("/hook")
    def hook(event: Annotated[VerifiedWebhook, hooks.event(name, SAMPLE_SECRET, **options)]):
        handler(event)

    return starlette_post(app)


def fastapi_router(name, handler, options):
    from fastapi import FastAPI

    from hookwright.fastapi import Hookwright

    app = FastAPI()
    router = Hookwright(app).router(name, SAMPLE_SECRET, path="/hook", **options)

    @router.on("*")
    async def hook(event):
        handler(event)

    app.include_router(router)
    return starlette_post(app)


def starlette_receiver(name, handler, options):
    from starlette.applications import Starlette
    from starlette.routing import Route

    from hookwright.starlette import Receiver

    receiver = Receiver(name, SAMPLE_SECRET, **options)
    receiver.on("*")(handler)
    return starlette_post(Starlette(routes=[Route("/hook", receiver)]))


def starlette_post(app):
    from starlette.testclient import TestClient

    def post(request, method="POST"):
        client = TestClient(app, raise_server_exceptions=False)
        response = client.request(method, "/hook", content=request.body, headers=request.headers)
        return response.status_code, response.content, response.headers

    return post


def django_view(name, handler, options):
    from hookwright.django import verified

    @verified(name, SAMPLE_SECRET, **options)
    def view(request, event):
        handler(event)

    return django_post(view)


def django_async_view(name, handler, options):
    from hookwright.django import verified

    @verified(name, SAMPLE_SECRET, **options)
    async def view(request, event):
        handler(event)

    return django_post(view)


def django_webhook_view(name, handler, options):
    from hookwright.django import WebhookView

    view = WebhookView(name, SAMPLE_SECRET, **options)
    view.on("*")(handler)
    return django_post(view)


def django_setup():
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            SECRET_KEY="only for these tests",
            ROOT_URLCONF=__name__,
            ALLOWED_HOSTS=["testserver"],
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
            INSTALLED_APPS=["hookwright.django.HookwrightConfig"],
            HOOKWRIGHT_ENDPOINTS={"generic": {"secret": SAMPLE_SECRET}},
        )
        django.setup()


def django_post(view):
    django_setup()
    from django.test import Client
    from django.urls import clear_url_caches, path

    where = uuid.uuid4().hex
    DJANGO_URLS.append(path(where, view))
    clear_url_caches()

    def post(request, method="POST"):
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        headers = dict(request.headers)
        content_type = headers.pop("Content-Type", "application/json")
        response = client.generic(method, f"/{where}", request.body, content_type, headers=headers)
        return response.status_code, response.content, response.headers

    return post


urlpatterns = DJANGO_URLS


def wsgi_middleware(name, handler, options):
    from werkzeug.test import Client

    from hookwright.wsgi import Endpoint, VerifyWebhooks

    def app(environ, start_response):
        event = environ.get("hookwright.event")
        assert event is None or environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])) == event.body
        try:
            handler(event)
        except InvalidPayloadError:
            start_response("400 Bad Request", [])
        except RuntimeError:
            start_response("500 Internal Server Error", [])
        else:
            start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"handled"]

    return werkzeug_post(Client(VerifyWebhooks(app, {"/hook": Endpoint(name, SAMPLE_SECRET, **options)})))


def asgi_middleware(name, handler, options):
    from hookwright.asgi import Endpoint, VerifyWebhooks

    async def app(scope, receive, send):
        message = await receive()
        event = scope["hookwright.event"]
        assert message == {"type": "http.request", "body": event.body, "more_body": False}
        status = 200
        try:
            handler(event)
        except InvalidPayloadError:
            status = 400
        except RuntimeError:
            status = 500
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"handled"})

    return starlette_post(VerifyWebhooks(app, {"/hook": Endpoint(name, SAMPLE_SECRET, **options)}))


ADAPTERS = [
    flask_decorator,
    flask_blueprint,
    fastapi_dependency,
    fastapi_sync_dependency,
    fastapi_router,
    starlette_receiver,
    django_view,
    django_async_view,
    django_webhook_view,
    wsgi_middleware,
    asgi_middleware,
]


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.__name__)
def adapter(request):
    return request.param


@pytest.fixture
def sender():
    return WebhookSender("filedgr", SAMPLE_SECRET)


class Handler:
    """Notes what it gets, and fails as often as it is told."""

    def __init__(self, *failures):
        self.events = []
        self.failures = list(failures)

    def __call__(self, event):
        self.events.append(event)
        if self.failures:
            raise self.failures.pop(0)


def test_a_verified_event_reaches_the_handler(adapter, sender):
    """The adapter would be pointless."""
    handler = Handler()
    post = adapter("filedgr", handler, {})
    signed = sender.event("vault.created", {"vaultId": "vault_1"})
    status, _, _ = post(signed)
    assert status == 200
    (event,) = handler.events
    assert (event.type, event.data, event.body) == ("vault.created", {"vaultId": "vault_1"}, signed.body)


def test_nothing_else_reaches_the_handler(adapter, sender):
    """Anyone who finds the URL could make things happen."""
    handler = Handler()
    post = adapter("filedgr", handler, {})
    good = sender.event("vault.created", {})
    for bad in (
        SignedRequest(good.body, {}, ""),
        good.tampered(),
        good.with_header("X-Filedgr-Signature", "test_signature"),
        good.with_header("webhook-signature", "v1,AAAA"),
        good.with_header("X-Filedgr-Event-Type", "vault.accessed"),
        WebhookSender("filedgr", "another secret altogether").event("vault.created", {}),
        sender.event("vault.created", {}, timestamp=1),
    ):
        status, body, headers = post(bad)
        assert (status, json.loads(body)) == (401, {"error": "invalid_webhook"})
        assert headers["Cache-Control"] == "no-store"
    assert handler.events == []


def test_the_status_says_whose_fault_it_is(adapter, sender):
    """Senders retry, give up or raise an alarm by the status."""
    handler = Handler()
    post = adapter("filedgr", handler, {"max_body": 1000, "validate": {"vault.created": {"required": ["vaultId"]}}})
    too_long = sender.body(b"x" * 1001)
    assert post(too_long)[0] == 413
    no_envelope = sender.body(b"{}")
    assert post(no_envelope)[0] == 400
    status, body, _ = post(sender.event("vault.created", {}))
    assert status == 400
    assert json.loads(body)["details"][0]["path"] == "data"
    assert post(sender.event("vault.created", {}), method="PUT")[0] == 405 or adapter.__name__ == "wsgi"
    assert handler.events == []


@pytest.mark.parametrize("address_is_listed", [True, False])
def test_only_listed_addresses_get_in(adapter, sender, address_is_listed):
    """The list would be ignored."""
    handler = Handler()
    networks = ["127.0.0.0/8"] if address_is_listed else ["203.0.113.0/24"]
    post = adapter("filedgr", handler, {"allowed_addresses": networks})
    status = post(sender.event("vault.created", {}))[0]
    if "starlette" in adapter.__name__ or "fastapi" in adapter.__name__ or "asgi" in adapter.__name__:
        # Its test client calls itself "testclient", which is no address.
        address_is_listed = False
    assert status == (200 if address_is_listed else 403)
    assert len(handler.events) == int(address_is_listed)


def test_each_event_is_handled_once(adapter, sender):
    """Senders repeat what they are not sure about."""
    handler = Handler()
    post = adapter("filedgr", handler, {"dedupe": MemoryDedupe()})
    answers = [post(sender.event("vault.created", {}, event_id="evt_1")) for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 200]
    assert [json.loads(body) for _, body, _ in answers[1:]] == [{"status": "duplicate"}] * 2
    assert len(handler.events) == 1


@pytest.mark.parametrize(
    "failure", [RuntimeError("away"), InvalidPayloadError("no such vault", code="invalid_payload")]
)
def test_an_event_whose_handler_failed_is_handled_again(adapter, sender, failure):
    """It would be remembered as handled, and lost."""
    handler = Handler(failure)
    post = adapter("filedgr", handler, {"dedupe": MemoryDedupe()})
    statuses = [post(sender.event("vault.created", {}, event_id="evt_1"))[0] for _ in range(3)]
    assert statuses == [500 if isinstance(failure, RuntimeError) else 400, 200, 200]
    assert len(handler.events) == 2


def test_two_deliveries_at_once_run_one_handler(adapter, sender):
    """Retries overlap with slow handlers."""
    inside, go_on = threading.Event(), threading.Event()
    calls = []

    def handler(event):
        calls.append(event.id)
        inside.set()
        assert go_on.wait(60)

    post = adapter("filedgr", handler, {"dedupe": MemoryDedupe()})
    answers = []
    first = threading.Thread(
        target=lambda: answers.append(post(sender.event("vault.created", {}, event_id="evt_1"))[0])
    )
    first.start()
    assert inside.wait(60)
    status, _, headers = post(sender.event("vault.created", {}, event_id="evt_1"))
    assert (status, int(headers["Retry-After"]) > 0) == (409, True)
    go_on.set()
    first.join()
    assert (answers, calls) == ([200], ["evt_1"])


def test_a_scheme_that_signs_the_url_is_verified(adapter, sender):
    """The adapter would pass a URL that the sender has never seen."""
    handler = Handler()
    post = adapter("square", handler, {"url": "https://example.com/public"})
    square = WebhookSender("square", SAMPLE_SECRET)
    assert post(square.body(b"{}", url="https://example.com/public"))[0] == 200
    assert post(square.body(b"{}", url="https://example.com/other"))[0] == 401


# What only one of them can get wrong.


@pytest.mark.parametrize("chunked", [True, False])
def test_wsgi_reads_a_body_with_and_without_a_length(chunked, sender):
    """Some servers pass chunked requests on without a length."""
    from werkzeug.test import create_environ, run_wsgi_app

    from hookwright.wsgi import Endpoint, VerifyWebhooks

    events = []

    def app(environ, start_response):
        events.append(environ["hookwright.event"])
        start_response("204 No Content", [])
        return []

    signed = sender.event("vault.created", {})
    environ = create_environ("/hook", method="POST", headers=signed.headers)
    environ["wsgi.input"] = io.BytesIO(signed.body)
    if chunked:
        environ.pop("CONTENT_LENGTH", None)
        environ["wsgi.input_terminated"] = True
    else:
        environ["CONTENT_LENGTH"] = str(len(signed.body))
    wrapped = VerifyWebhooks(app, {"/hook": Endpoint("filedgr", SAMPLE_SECRET)})
    assert run_wsgi_app(wrapped, environ)[1] == "204 No Content"
    assert len(events) == 1


def test_wsgi_headers_are_there_for_use_without_the_middleware(sender):
    """Who has an environment has no headers object."""
    from werkzeug.test import create_environ

    from hookwright import Webhook
    from hookwright.wsgi import headers

    signed = sender.event("vault.created", {})
    environ = create_environ("/hook", method="POST", headers=signed.headers)
    assert Webhook(SAMPLE_SECRET, profile="filedgr").verify(signed.body, headers(environ))


def test_asgi_takes_a_body_in_parts_and_a_peer_that_leaves(sender):
    """Bodies come in parts, and some never come to an end."""
    from hookwright.asgi import Endpoint, VerifyWebhooks

    async def app(scope, receive, send):
        assert (await receive())["body"] == signed.body
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    signed = sender.event("vault.created", {})
    headers = [(name.lower().encode(), value.encode()) for name, value in signed.headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/hook", "headers": headers}

    def serve(parts):
        remaining, sent = list(parts), []

        async def receive():
            return remaining.pop(0)

        async def send(message):
            sent.append(message)

        endpoint = Endpoint("filedgr", SAMPLE_SECRET, max_body=1000)
        asyncio.run(VerifyWebhooks(app, {"/hook": endpoint})(scope, receive, send))
        return sent[0]["status"] if sent else None

    def part(body, *, more):
        return {"type": "http.request", "body": body, "more_body": more}

    assert serve([part(signed.body[:10], more=True), part(signed.body[10:], more=False)]) == 204
    assert serve([part(b"x" * 600, more=True), part(b"x" * 600, more=True)]) == 413
    assert serve([part(b"x", more=True), {"type": "http.disconnect"}]) is None


def test_other_paths_pass_the_middleware_untouched():
    """The rest of the application would stop working."""
    from werkzeug.test import Client

    from hookwright.wsgi import Endpoint, VerifyWebhooks

    def app(environ, start_response):
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    client = Client(VerifyWebhooks(app, {"/hook": Endpoint("filedgr", SAMPLE_SECRET)}))
    assert client.post("/other", data=b"untouched").data == b"untouched"


def test_starlette_says_when_somebody_read_the_stream_first(sender):
    """It would look like a forgery."""
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.testclient import TestClient

    from hookwright.starlette import Receiver

    errors = []
    receiver = Receiver("filedgr", SAMPLE_SECRET, on_error=lambda refusal: errors.append(refusal.error))

    async def app(scope, receive, send):
        request = Request(scope, receive)
        async for _ in request.stream():
            pass
        response: Response = await receiver.respond(request)
        await response(scope, receive, send)

    signed = sender.event("vault.created", {})
    response = TestClient(app).post("/", content=signed.body, headers=signed.headers)
    assert response.status_code == 500
    assert isinstance(errors[0], BodyConsumedError)


def test_fastapi_lets_the_path_operation_read_the_request_again(sender):
    """The body would be gone, or the request would hang."""
    from typing import Annotated

    from fastapi import FastAPI, Request
    from starlette.testclient import TestClient

    from hookwright import VerifiedWebhook
    from hookwright.fastapi import Hookwright

    app = FastAPI()
    hooks = Hookwright()

    @app.post("/hook")
    async def hook(event: Annotated[VerifiedWebhook, hooks.event("filedgr", SAMPLE_SECRET)], request: Request):
        return {"same": await request.body() == event.body, "type": (await request.json())["eventType"]}

    client = TestClient(app)
    assert sender.post(client, "/hook", "vault.created", {}).json() == {"same": True, "type": "vault.created"}
    # Without the extension on the app, a refusal is FastAPI's own kind of error.
    response = sender.send(client, "/hook", sender.event("vault.created", {}).tampered())
    assert (response.status_code, response.json()) == (401, {"detail": {"error": "invalid_webhook"}})


def test_fastapi_endpoints_can_be_declared_first(sender):
    """Settings are in one place and path operations in another."""
    from typing import Annotated

    from fastapi import FastAPI
    from starlette.testclient import TestClient

    from hookwright import ConfigurationError, VerifiedWebhook
    from hookwright.fastapi import Hookwright

    app = FastAPI()
    hooks = Hookwright(app, endpoints={"filedgr": {"secret": SAMPLE_SECRET}})

    @app.post("/hook")
    def hook(event: Annotated[VerifiedWebhook, hooks.event("filedgr")]):
        return {"type": event.type}

    assert sender.post(TestClient(app), "/hook", "vault.created", {}).json() == {"type": "vault.created"}
    with pytest.raises(ConfigurationError, match="has no secret"):
        hooks.event("generic")


def test_django_endpoints_come_from_the_settings():
    """Secrets belong there, and the app config checks them at the start."""
    django_setup()
    from hookwright import ConfigurationError, SecretError
    from hookwright.django import HookwrightConfig, WebhookView, verified

    generic = WebhookSender("generic", SAMPLE_SECRET)
    view = WebhookView("generic")
    seen = []
    view.on("user.*")(lambda event: seen.append(event.type))
    assert django_post(view)(generic.event("user.created", {}))[0] == 200
    assert seen == ["user.created"]
    with pytest.raises(ConfigurationError, match="HOOKWRIGHT_ENDPOINTS"):
        verified("digivault")(print)

    from django.apps import apps
    from django.test import override_settings

    with override_settings(HOOKWRIGHT_ENDPOINTS={"aetherflow": {"secret": ""}}), pytest.raises(SecretError):
        config = apps.get_app_config("hookwright")
        assert isinstance(config, HookwrightConfig)
        config.ready()


def test_django_says_when_somebody_read_the_post_data_first(sender):
    """It would look like a forgery."""
    django_setup()
    from django.test import RequestFactory

    from hookwright.django import WebhookView

    errors = []
    view = WebhookView("filedgr", SAMPLE_SECRET, on_error=lambda refusal: errors.append(refusal.code))
    signed = sender.event("vault.created", {})
    headers = {name: value for name, value in signed.headers.items() if name != "Content-Type"}
    request = RequestFactory().post("/", {"a": "b"}, headers=headers)
    assert request.POST["a"] == "b"
    assert view(request).status_code == 500
    assert errors == ["body_consumed"]


def test_django_respects_its_own_limit(sender):
    """DATA_UPLOAD_MAX_MEMORY_SIZE would be a 500."""
    django_setup()
    from django.test import override_settings

    from hookwright.django import WebhookView

    post = django_post(WebhookView("filedgr", SAMPLE_SECRET))
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10):
        assert post(sender.event("vault.created", {}))[0] == 413
