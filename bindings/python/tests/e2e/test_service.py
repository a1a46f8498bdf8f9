"""The real service delivers to real Flask apps."""

import base64
import http.client
import json
import threading

import pytest

from hookwright import Profile, Webhook

PLATFORMS = ["filedgr", "digivault", "aetherflow", "contractai", "generic"]
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()


@pytest.fixture
def api(harness):
    from hookwright.v1 import webhook_service_pb2

    return webhook_service_pb2


def register(service, api, url, secret, **fields):
    from hookwright.v1 import webhook_pb2

    request = api.RegisterRequest(webhook=webhook_pb2.Webhook(url=url, **fields), secret=secret)
    return service.call("Register", request).webhook.id


def publish(service, api, event_type, data):
    payload = data if isinstance(data, bytes) else json.dumps(data).encode()
    return service.call("Publish", api.PublishRequest(event_type=event_type, payload=payload)).event_id


def deliveries(service, api, harness, webhook_id, count, state):
    """The deliveries of a webhook, once so many have come to that state."""
    from hookwright.v1 import delivery_pb2

    wanted = getattr(delivery_pb2, f"DELIVERY_STATE_{state}")

    def ask():
        found = []
        request = api.ListDeliveriesRequest(webhook_id=webhook_id)
        while True:
            answer = service.call("ListDeliveries", request)
            found += [delivery for delivery in answer.deliveries if delivery.state == wanted]
            if not answer.next_page_token:
                break
            request.page_token = answer.next_page_token
        return found if len(found) == count else None

    return harness.eventually(ask, f"{count} deliveries of {webhook_id} {state}")


def post(receiver, name, body, headers, *, withheld=False):
    """A request of a stranger's making: status and body of the answer.

    With ``withheld`` the body is announced and never sent, so that an answer can only be to its announced length. (A
    server that refuses and closes while the body is still on its way resets the connection, and with it its answer.)
    """
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=60)
    connection.putrequest("POST", f"/webhooks/{name}", skip_accept_encoding=True)
    for key, value in headers:
        if key.lower() not in {"host", "content-length", "connection"}:
            connection.putheader(key, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Connection", "close")
    try:
        connection.endheaders(None if withheld else body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def same_id(published, received, profile):
    """The service's id with the platform's own prefix instead of the service's."""
    return received == f"{profile.event_id_prefix}_{published.partition('_')[2]}"


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_event_type_arrives_verified_and_nothing_else_gets_in(service, api, harness, receiver, name):
    """The promise of the whole product: what is published is handled, once, and only that."""
    profile = Profile.builtin(name)
    receiver.start({name: [OLD]}, validate={name: True})
    webhook_id = register(service, api, receiver.url(name), OLD, profile=name, event_types=["*"])

    published = {}
    for event_type in profile.event_types:
        data = json.loads(event_type.sample)
        published[event_type.name] = (publish(service, api, event_type.name, data), data)
    handled = [receiver.next() for _ in published]
    assert {line["type"] for line in handled} == set(published)
    for line in handled:
        event_id, data = published[line["type"]]
        assert same_id(event_id, line["id"], profile), (event_id, line["id"])
        assert line["data"] == data
    assert deliveries(service, api, harness, webhook_id, len(published), "DELIVERED")

    # A delivery that comes again, as after an answer that got lost on its way, is not handled again.
    captured = handled[0]
    body = base64.b64decode(captured["body"])
    assert post(receiver, name, body, captured["headers"]) == (200, b'{"status":"duplicate"}')
    # One that was changed is refused.
    assert post(receiver, name, body[:-1] + b" }", captured["headers"])[0] == 401
    assert post(receiver, name, body, [])[0] == 401
    # So is one that is too long, whoever signed it, and before it is read.
    too_long = profile.render("evt_long", profile.event_types[0].name, b'"' + b"x" * (1 << 20) + b'"', 0)
    signed = Webhook(OLD, profile=name).sign(too_long, id="evt_long")
    headers = [("Content-Type", "application/json"), *signed.items()]
    assert post(receiver, name, too_long, headers, withheld=True)[0] == 413
    assert receiver.nothing_more()

    # And what the platform itself gets wrong is 400, which its log shows.
    publish(service, api, profile.event_types[0].name, b'"not an object"')

    def refused():
        answer = service.call("ListDeliveries", api.ListDeliveriesRequest(webhook_id=webhook_id, page_size=1))
        (newest,) = answer.deliveries
        attempts = service.call("GetDelivery", api.GetDeliveryRequest(id=newest.id)).attempts
        return (
            attempts[0]
            if attempts and newest.event_id not in {event_id for event_id, _ in published.values()}
            else None
        )

    attempt = harness.eventually(refused, "an attempt at the invalid event")
    assert attempt.http_status == 400
    assert json.loads(attempt.response_body)["error"] == "invalid_payload"
    assert receiver.nothing_more()


def test_a_rotation_under_load_loses_nothing(service, api, gunicorn, harness):
    """Changing a secret would need a pause, or lose what is on its way.

    The service has one secret per webhook, so the platform's half of the rotation is a second webhook with the new
    secret beside the first one; the receiver takes both, and handles what comes by both once.
    """
    name = "filedgr"

    def received_id(event_id):
        return f"{Profile.builtin(name).event_id_prefix}_{event_id.partition('_')[2]}"

    gunicorn.start({name: [OLD]})
    first = register(service, api, gunicorn.url(name), OLD, profile=name, event_types=["*"])
    published = []
    enough = threading.Event()

    def load():
        while not enough.is_set():
            published.append(publish(service, api, "vault.created", {"n": len(published)}))

    publisher = threading.Thread(target=load)
    publisher.start()
    handled = [gunicorn.next() for _ in range(50)]
    assert {line["secret"] for line in handled} == {0}

    gunicorn.rotate({name: [NEW, OLD]})
    second = register(service, api, gunicorn.url(name), NEW, profile=name, event_types=["*"])
    # A publish that is under way while the webhook is registered belongs to before or after; one later, to after.
    settled = len(published) + 1
    while len(published) < settled:
        handled.append(gunicorn.next())
    # Everything from before the second webhook has come by the first one, and both secrets have been seen at work.
    before = {received_id(event_id) for event_id in published[:settled]}
    since_the_rotation = set()
    while not (before <= {line["id"] for line in handled} and {0, 1} <= since_the_rotation):
        handled.append(gunicorn.next())
        if handled[-1]["id"] not in before:
            since_the_rotation.add(handled[-1]["secret"])
    service.call("DeleteWebhook", api.DeleteWebhookRequest(id=first))
    after = len(published)
    while len(published) < after + 50:
        handled.append(gunicorn.next())
    enough.set()
    publisher.join()
    while len(handled) < len(published):
        handled.append(gunicorn.next())
    ids = [line["id"] for line in handled]
    assert len(ids) == len(set(ids)), "an event was handled twice"
    assert set(ids) == {received_id(event_id) for event_id in published}
    assert harness.eventually(lambda: is_settled(service, api, second), "every delivery by the new secret DELIVERED")
    assert gunicorn.nothing_more()


def is_settled(service, api, webhook_id):
    """Whether every delivery of a webhook has arrived."""
    from hookwright.v1 import delivery_pb2

    request = api.ListDeliveriesRequest(webhook_id=webhook_id, page_size=100)
    while True:
        answer = service.call("ListDeliveries", request)
        if any(delivery.state != delivery_pb2.DELIVERY_STATE_DELIVERED for delivery in answer.deliveries):
            return False
        if not answer.next_page_token:
            return True
        request.page_token = answer.next_page_token
