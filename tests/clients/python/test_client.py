"""What a Python client gets from the proto files alone, against the real service and a real receiver."""

import base64
import hashlib
import hmac
import json

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from harness import DEADLINE_SECONDS, error_info, eventually, violated_fields
from hookwright.v1 import access_pb2, delivery_pb2, watch_pb2 as api_watch, webhook_pb2, webhook_service_pb2 as api

# Spaces, an escape, a trailing zero and a number beyond 2^53: what parsing and writing again would change.
PAYLOAD = b'{ "vaultId":"vault_1",  "note":"\\u00e9", "price":1.0, "big":9007199254740993 }'


def register(service, receiver, secret="", **fields):
    webhook = webhook_pb2.Webhook(url=receiver.url, **fields)
    return service.call("Register", api.RegisterRequest(webhook=webhook, secret=secret))


def publish(service, event_type, payload=PAYLOAD, key=""):
    return service.call("Publish", api.PublishRequest(event_type=event_type, payload=payload, idempotency_key=key))


def settled(service, webhook_id, count=1):
    """The deliveries of a webhook, once there are `count` and all of them are delivered."""

    def ask():
        answer = service.call("ListDeliveries", api.ListDeliveriesRequest(webhook_id=webhook_id))
        states = [delivery.state for delivery in answer.deliveries]
        return answer.deliveries if states == [delivery_pb2.DELIVERY_STATE_DELIVERED] * count else None

    return eventually(ask, f"{count} deliveries of {webhook_id} DELIVERED")


def headers_of(request):
    return [api.Header(name=name, value=value.encode("latin-1")) for name, value in request.headers]


def hex_of_body(secret, request):
    return hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()


def standard_webhooks(secret, request):
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    signed = f"{request.header('webhook-id')}.{request.header('webhook-timestamp')}.".encode() + request.body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


# Written down from the platforms' guides: profile, signature header, how it comes about, and where the envelope
# keeps type, id and data.
PLATFORMS = [
    ("filedgr", "X-Filedgr-Signature", hex_of_body, "eventType", "eventId", ["data"]),
    ("digivault", "X-DigiVault-Signature", hex_of_body, "type", "id", ["data", "object"]),
    ("aetherflow", "X-AetherFlow-Signature", hex_of_body, "event", "id", ["data"]),
    ("contractai", "webhook-signature", standard_webhooks, "event", "id", ["data"]),
    ("generic", "X-Webhook-Signature", hex_of_body, "type", "id", ["data"]),
    ("standard-webhooks", "webhook-signature", standard_webhooks, "type", None, ["data"]),
]


@pytest.mark.parametrize(
    ("profile", "header", "sign", "type_key", "id_key", "data_path"), PLATFORMS, ids=[row[0] for row in PLATFORMS]
)
def test_an_event_arrives_signed_as_its_platform_signs(
    service, receiver, profile, header, sign, type_key, id_key, data_path
):
    """Receivers that check signatures by their platform's guide would refuse every delivery."""
    registered = register(service, receiver, profile=profile, event_types=["vault.*"])
    assert registered.webhook.id.startswith("whk_")
    assert registered.webhook.profile == profile
    assert registered.webhook.state == webhook_pb2.WEBHOOK_STATE_ACTIVE
    assert registered.secret.startswith("whsec_")

    published = publish(service, "vault.created")
    assert published.event_id.startswith("evt_")
    assert published.delivery_count == 1
    assert not published.duplicate

    request = receiver.next()
    assert request.path == "/hooks"
    assert request.header("content-type").startswith("application/json")
    assert PAYLOAD in request.body, "the payload was parsed and written again"
    envelope = json.loads(request.body)
    assert envelope[type_key] == "vault.created"
    data = envelope
    for key in data_path:
        data = data[key]
    assert data == json.loads(PAYLOAD)
    if id_key:
        # The platform's own prefix, and the rest of the id that the publisher was told.
        assert envelope[id_key].partition("_")[2] == published.event_id.removeprefix("evt_")

    assert hmac.compare_digest(request.header(header), sign(registered.secret, request))
    # Every platform's requests are signed the standard way as well.
    assert request.header("webhook-signature") == standard_webhooks(registered.secret, request)

    (delivery,) = settled(service, registered.webhook.id)
    assert delivery.event_id == published.event_id
    assert delivery.event_type == "vault.created"
    assert delivery.attempt_count == 1
    assert delivery.last_outcome == delivery_pb2.OUTCOME_ACCEPTED
    assert delivery.last_http_status == 204


@pytest.mark.parametrize("profile", [row[0] for row in PLATFORMS])
def test_verify_tells_a_genuine_request_from_a_changed_one(service, receiver, profile):
    """A receiver that asks the service would trust forgeries, or refuse what is genuine."""
    registered = register(service, receiver, profile=profile)
    published = publish(service, "vault.created")
    request = receiver.next()

    def verify(body=request.body, headers=None, **key):
        key = key or {"webhook_id": registered.webhook.id}
        return service.call("Verify", api.VerifyRequest(body=body, headers=headers or headers_of(request), **key))

    genuine = verify()
    assert (genuine.valid, genuine.reason, genuine.message) == (True, "", "")
    assert genuine.event_type == "vault.created"
    if profile != "standard-webhooks":
        assert genuine.event_id.partition("_")[2] == published.event_id.removeprefix("evt_")

    retired = "whsec_" + base64.b64encode(bytes(32)).decode()
    with_secrets = verify(profile_key=api.ProfileKey(profile=profile, secrets=[retired, registered.secret]))
    assert (with_secrets.valid, with_secrets.secret_index) == (True, 1)
    with_another = verify(profile_key=api.ProfileKey(profile=profile, secrets=[retired]))
    assert (with_another.valid, with_another.reason) == (False, "signature_mismatch")

    for position in (0, len(request.body) // 2, len(request.body) - 1):
        changed = bytearray(request.body)
        changed[position] ^= 0x01
        forged = verify(body=bytes(changed))
        assert (forged.valid, forged.reason) == (False, "signature_mismatch"), f"byte {position} was changed"
        assert forged.message

    unsigned = verify(headers=[api.Header(name="content-type", value=b"application/json")])
    assert (unsigned.valid, unsigned.reason) == (False, "missing_header")


def test_a_secret_that_the_caller_chose_is_the_key(service, receiver):
    """A platform that moves to hookwright with its customers' secrets would break all of them."""
    secret = "your-webhook-secret-key-chosen-long-ago"
    registered = register(service, receiver, secret=secret, profile="digivault")
    assert registered.secret == secret
    publish(service, "contact.created")
    request = receiver.next()
    assert request.header("X-DigiVault-Signature") == hex_of_body(secret, request)


def test_a_failed_attempt_is_tried_again_and_both_are_on_record(service, receiver):
    """Events would be lost when a receiver is briefly down, or nobody could tell why one came late."""
    at_once = webhook_pb2.RetryPolicy(list=webhook_pb2.ListSchedule(delays=[Duration()]))
    receiver.answers.put((503, b"not now"))
    registered = register(service, receiver, profile="filedgr", retry_policy=at_once)
    published = publish(service, "vault.created")

    first, second = receiver.next(), receiver.next()
    assert first.body == second.body
    assert json.loads(second.body)["eventId"] == published.event_id
    assert second.header("X-Filedgr-Signature") == hex_of_body(registered.secret, second)

    (listed,) = settled(service, registered.webhook.id)
    answer = service.call("GetDelivery", api.GetDeliveryRequest(id=listed.id))
    assert answer.delivery == listed
    assert answer.event.id == published.event_id
    assert answer.event.type == "vault.created"
    assert answer.event.payload == PAYLOAD
    assert [
        (attempt.number, attempt.outcome, attempt.http_status, attempt.response_body) for attempt in answer.attempts
    ] == [
        (1, delivery_pb2.OUTCOME_REJECTED, 503, b"not now"),
        (2, delivery_pb2.OUTCOME_ACCEPTED, 204, b""),
    ]
    assert answer.attempts[0].HasField("next_attempt_time")
    assert not answer.attempts[1].HasField("next_attempt_time")
    assert answer.delivery.attempt_count == 2


def test_deliveries_and_webhooks_are_paged_without_gaps_or_repetitions(service, receiver):
    """Somebody who reads the log page by page would miss deliveries or see them twice."""
    webhook_id = register(service, receiver, profile="filedgr").webhook.id
    event_ids = [publish(service, "vault.accessed", b'{"n":%d}' % n).event_id for n in range(5)]
    settled(service, webhook_id, 5)

    def pages(method, request, field, key):
        found = []
        while True:
            answer = service.call(method, request)
            found.append([key(item) for item in getattr(answer, field)])
            if not answer.next_page_token:
                return found
            assert len(found) < 10, "the pages do not end"
            request.page_token = answer.next_page_token

    newest_first = event_ids[::-1]
    request = api.ListDeliveriesRequest(webhook_id=webhook_id, page_size=2)
    listed = pages("ListDeliveries", request, "deliveries", lambda delivery: delivery.event_id)
    assert listed == [newest_first[0:2], newest_first[2:4], newest_first[4:5]]

    one_event = service.call("ListDeliveries", api.ListDeliveriesRequest(event_id=event_ids[2]))
    assert [delivery.event_id for delivery in one_event.deliveries] == [event_ids[2]]

    webhook_ids = [webhook_id] + [register(service, receiver, event_types=["none.*"]).webhook.id for _ in range(2)]
    listed = pages("ListWebhooks", api.ListWebhooksRequest(page_size=2), "webhooks", lambda webhook: webhook.id)
    assert listed == [webhook_ids[:0:-1], webhook_ids[:1]]


def test_an_update_changes_what_its_mask_names_and_nothing_else(service, receiver):
    """An update would wipe settings that its caller never mentioned, or reach deliveries late."""
    before = register(service, receiver, profile="filedgr", name="before", event_types=["vault.created"]).webhook
    wanted = webhook_pb2.Webhook(
        id=before.id, name="after", event_types=["stream.*"], url="http://127.0.0.1:9/not-in-the-mask"
    )
    mask = FieldMask(paths=["name", "event_types"])
    updated = service.call("UpdateWebhook", api.UpdateWebhookRequest(webhook=wanted, update_mask=mask)).webhook
    assert (updated.name, list(updated.event_types), updated.url) == ("after", ["stream.*"], before.url)
    assert updated.profile == "filedgr"
    read = service.call("GetWebhook", api.GetWebhookRequest(id=before.id)).webhook
    read.ClearField("status")  # how it is doing, which only GetWebhook tells of an active webhook
    assert read == updated

    # The very next publish goes by the new values.
    assert publish(service, "vault.created").delivery_count == 0
    published = publish(service, "stream.alert_triggered")
    assert published.delivery_count == 1
    request = receiver.next()
    assert json.loads(request.body)["eventId"] == published.event_id, "the event of the old type was delivered"

    with pytest.raises(grpc.RpcError) as refused:
        service.call("UpdateWebhook", api.UpdateWebhookRequest(webhook=wanted, update_mask=FieldMask()))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(refused.value) == ["update_mask"]
    assert error_info(refused.value).reason == "EMPTY_UPDATE_MASK"


def test_a_deleted_webhook_is_gone_and_its_log_stays(service, receiver):
    """Deleting would either not stop deliveries or take the evidence with it."""
    webhook_id = register(service, receiver, profile="filedgr").webhook.id
    publish(service, "vault.created")
    receiver.next()
    (delivery,) = settled(service, webhook_id)

    service.call("DeleteWebhook", api.DeleteWebhookRequest(id=webhook_id))
    for method, request in (
        ("GetWebhook", api.GetWebhookRequest(id=webhook_id)),
        ("DeleteWebhook", api.DeleteWebhookRequest(id=webhook_id)),
    ):
        with pytest.raises(grpc.RpcError) as missing:
            service.call(method, request)
        assert missing.value.code() == grpc.StatusCode.NOT_FOUND
        info = error_info(missing.value)
        assert (info.reason, info.domain) == ("WEBHOOK_NOT_FOUND", "hookwright")

    assert publish(service, "vault.created").delivery_count == 0
    assert list(service.call("ListWebhooks", api.ListWebhooksRequest()).webhooks) == []
    log = service.call("ListDeliveries", api.ListDeliveriesRequest(webhook_id=webhook_id)).deliveries
    assert [listed.id for listed in log] == [delivery.id]


def test_a_repeated_publish_is_one_event(service, receiver):
    """A publisher that retries after a lost answer would make its customers see the event twice."""
    webhook_id = register(service, receiver, profile="filedgr").webhook.id
    first = publish(service, "vault.created", key="order-17")
    again = publish(service, "vault.created", key="order-17")
    assert (first.duplicate, again.duplicate) == (False, True)
    assert again.event_id == first.event_id
    settled(service, webhook_id)
    assert json.loads(receiver.next().body)["eventId"] == first.event_id

    # The same key for something else is a bug of the caller, and not a repetition.
    with pytest.raises(grpc.RpcError) as refused:
        publish(service, "vault.created", b"{}", key="order-17")
    assert refused.value.code() == grpc.StatusCode.ALREADY_EXISTS
    assert error_info(refused.value).reason == "IDEMPOTENCY_KEY_REUSED"

    # What comes next is the next event: nothing was sent in between.
    other = publish(service, "vault.created", b"{}")
    assert json.loads(receiver.next().body)["eventId"] == other.event_id


def test_events_of_a_stream_are_answered_one_by_one(service, receiver):
    """A publisher of many events would pay for a call each, and one bad event would end a stream."""
    webhook = register(service, receiver, profile="generic").webhook
    events = [api.PublishRequest(event_type="vault.created", payload=b'{"number":%d}' % number) for number in range(50)]
    events[7].payload = b"{not json"
    requests = (api.PublishStreamRequest(sequence=sequence, event=event) for sequence, event in enumerate(events))
    answers = {answer.sequence: answer for answer in service.stub.PublishStream(requests, timeout=DEADLINE_SECONDS)}
    assert sorted(answers) == list(range(50))
    error = answers.pop(7).error
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT.value[0], "INVALID_PAYLOAD")
    assert [violation.field for violation in error.field_violations] == ["payload"]
    deliveries = settled(service, webhook.id, 49)
    assert {delivery.event_id for delivery in deliveries} == {answer.published.event_id for answer in answers.values()}


def test_what_happens_to_deliveries_is_told_and_goes_on_behind_a_cursor(service, receiver):
    """A dashboard would ask again and again, or miss what happened while its connection was broken."""

    def changes(cursor=""):
        call = service.stub.WatchDeliveries(api_watch.WatchDeliveriesRequest(cursor=cursor), timeout=DEADLINE_SECONDS)
        # The first answer says where the watcher is; there are more without a change when it is quiet.
        yield next(call).cursor
        yield from (answer for answer in call if answer.HasField("change"))

    webhook = register(service, receiver, profile="generic").webhook
    watching = changes()
    next(watching)
    event = publish(service, "vault.created")
    told = next(watching)
    assert (told.change.event_id, told.change.webhook_id) == (event.event_id, webhook.id)
    assert told.change.state == delivery_pb2.DELIVERY_STATE_DELIVERED
    assert (told.change.attempt.number, told.change.attempt.outcome) == (1, delivery_pb2.OUTCOME_ACCEPTED)
    watching.close()
    missed = publish(service, "vault.created")
    settled(service, webhook.id, 2)
    watching = changes(told.cursor)
    assert next(watching) == told.cursor
    assert next(watching).change.event_id == missed.event_id


@pytest.mark.parametrize(
    ("method", "refused_request", "field", "reason"),
    [
        ("Register", api.RegisterRequest(webhook=webhook_pb2.Webhook(url="not a url")), "webhook.url", "INVALID_URL"),
        ("Register", api.RegisterRequest(webhook=webhook_pb2.Webhook(url="ftp://127.0.0.1/")), "webhook.url", "INVALID_URL"),
        ("Register", api.RegisterRequest(webhook=webhook_pb2.Webhook(url="http://user@127.0.0.1/")), "webhook.url", "INVALID_URL"),
        (
            "Register",
            api.RegisterRequest(webhook=webhook_pb2.Webhook(url="http://127.0.0.1/", profile="no-such")),
            "webhook.profile",
            "UNKNOWN_PROFILE",
        ),
        ("Publish", api.PublishRequest(event_type="vault.created", payload=b"{not json"), "payload", "INVALID_PAYLOAD"),
        ("Publish", api.PublishRequest(event_type="Not A Type", payload=b"{}"), "event_type", "INVALID_EVENT_TYPE"),
    ],
    ids=["no-url", "scheme", "user-info", "profile", "payload", "event-type"],
)
def test_a_bad_field_is_named(service, method, refused_request, field, reason):
    """Callers would have to guess from prose which of their fields was refused."""
    with pytest.raises(grpc.RpcError) as refused:
        service.call(method, refused_request)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(refused.value) == [field]
    info = error_info(refused.value)
    assert (info.reason, info.domain) == (reason, "hookwright")
    assert list(service.call("ListWebhooks", api.ListWebhooksRequest()).webhooks) == [], "a refused request left traces"


def test_health_and_reflection_are_served(service):
    """Load balancers would take the service out, and tools like grpcurl would need the proto files."""
    health = health_pb2_grpc.HealthStub(service.channel)
    for name in ("", "hookwright.v1.WebhookService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE_SECONDS)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, f"service {name!r}"

    reflection = ProtoReflectionDescriptorDatabase(service.channel)
    assert "hookwright.v1.WebhookService" in reflection.get_services()
    served = reflection.FindFileContainingSymbol("hookwright.v1.WebhookService")
    local = api.DESCRIPTOR.services_by_name["WebhookService"]
    assert [method.name for method in served.service[0].method] == [method.name for method in local.methods]


def test_a_key_opens_what_its_scopes_permit(service_with_keys):
    """Clients could not call a service that wants keys, or could do more than their key permits."""
    service = service_with_keys

    def refusal(method, request, key=None):
        with pytest.raises(grpc.RpcError) as refused:
            service.call(method, request, key)
        return refused.value.code(), error_info(refused.value).reason

    event = api.PublishRequest(event_type="vault.created", payload=PAYLOAD)
    assert refusal("Publish", event) == (grpc.StatusCode.UNAUTHENTICATED, "KEY_MISSING")
    wanted = access_pb2.Key(name="publisher", scopes=[access_pb2.SCOPE_PUBLISH])
    made = service.call("CreateKey", access_pb2.CreateKeyRequest(key=wanted), service.key)
    assert made.text.startswith("hwk_") and made.key.tenant == "default"
    assert service.call("Publish", event, made.text).event_id
    listing = api.ListWebhooksRequest()
    assert refusal("ListWebhooks", listing, made.text) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")
    service.call("RevokeKey", access_pb2.RevokeKeyRequest(id=made.key.id), service.key)
    assert refusal("Publish", event, made.text) == (grpc.StatusCode.UNAUTHENTICATED, "KEY_INVALID")
    health = health_pb2_grpc.HealthStub(service.channel)
    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE_SECONDS)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING, "health is for everybody"
