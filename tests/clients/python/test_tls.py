"""The same client over TLS, with a certificate of its own."""

import subprocess

import grpc
import pytest
from harness import DEADLINE_SECONDS, REPOSITORY, Service
from hookwright.v1 import webhook_service_pb2 as api, webhook_service_pb2_grpc


@pytest.fixture
def certificates(tmp_path):
    folder = tmp_path / "certificates"
    folder.mkdir()
    subprocess.run([REPOSITORY / "tests/clients/make-certificates", folder], check=True)
    return folder


def test_a_client_with_a_certificate_is_served_and_others_are_not(tmp_path, certificates):
    """Clients beyond this machine could not call without everybody reading along, or everybody could call."""
    read = {path.name: path.read_bytes() for path in certificates.iterdir()}
    credentials = grpc.ssl_channel_credentials(read["ca.pem"], read["client.key"], read["client.pem"])
    arguments = [
        f"--tls-cert={certificates / 'server.pem'}",
        f"--tls-key={certificates / 'server.key'}",
        f"--client-ca={certificates / 'ca.pem'}",
    ]
    with Service(tmp_path, arguments, credentials) as service:
        published = service.call("Publish", api.PublishRequest(event_type="vault.created", payload=b"{}"))
        assert published.event_id.startswith("evt_")

        nobody = grpc.ssl_channel_credentials(read["ca.pem"])
        for refused in [nobody, None]:
            with service.connect(refused) as channel:
                stub = webhook_service_pb2_grpc.WebhookServiceStub(channel)
                with pytest.raises(grpc.RpcError) as error:
                    stub.ListWebhooks(api.ListWebhooksRequest(), timeout=DEADLINE_SECONDS)
                assert error.value.code() == grpc.StatusCode.UNAVAILABLE
