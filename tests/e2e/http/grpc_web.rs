//! gRPC-Web: what browsers can speak, on the same port.

use std::net::SocketAddr;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hookwright_proto::v1;
use prost::Message as _;

use super::client::{Answer, register, send_with};
use crate::harness::{Database, start};

/// A call in the text form, which is base64 and so can be sent as text.
async fn call(address: SocketAddr, method: &str, message: &impl prost::Message) -> Answer {
    let message = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    let headers = [
        ("content-type", "application/grpc-web-text"),
        ("accept", "application/grpc-web-text"),
    ];
    let path = format!("/hookwright.v1.WebhookService/{method}");
    send_with(address, "POST", &path, &headers, &BASE64_STANDARD.encode(frame)).await
}

/// The message and the trailers, which are in the body.
fn frames(answer: &Answer) -> (Vec<u8>, String) {
    // Each frame is encoded by itself, so there can be padding in the middle.
    let bytes: Vec<u8> = answer
        .body
        .chunks(4)
        .flat_map(|quantum| BASE64_STANDARD.decode(quantum).unwrap())
        .collect();
    let (mut message, mut trailers, mut rest) = (Vec::new(), String::new(), bytes.as_slice());
    while let [kind, a, b, c, d, after @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap();
        let (content, next) = after.split_at(length);
        match kind {
            0 => message = content.to_vec(),
            0x80 => trailers = String::from_utf8(content.to_vec()).unwrap(),
            other => panic!("a frame of kind {other}"),
        }
        rest = next;
    }
    (message, trailers)
}

/// Behind a proxy that speaks HTTP/1.1 to the service, developers would look for the mistake in their client.
#[tokio::test]
async fn grpc_that_comes_over_http_1_is_told_what_it_needs() {
    let database = Database::sqlite();
    let (server, _) = start(&database).await;
    let address = server.local_addr();
    for (path, kind) in [
        ("/hookwright.v1.WebhookService/GetWebhook", "application/grpc"),
        (
            "/hookwright.v1.WebhookService/PublishStream",
            "application/grpc+proto",
        ),
        ("/grpc.health.v1.Health/Check", "application/grpc"),
        ("/v1/webhooks", "application/grpc"),
    ] {
        let answer = send_with(address, "POST", path, &[("content-type", kind)], "\0\0\0\0\0").await;
        assert_eq!(answer.reason(505), "GRPC_NEEDS_HTTP2", "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("gRPC-Web"));
    }
    server.stop().await.unwrap();
    database.remove().await;
}

/// A dashboard in a browser could not talk to the service at all.
#[tokio::test]
async fn a_browser_can_call_rpcs() {
    let database = Database::sqlite();
    let (server, _) = start(&database).await;
    let address = server.local_addr();
    let id = register(address, "http://127.0.0.1:9/").await;
    let answer = call(address, "GetWebhook", &v1::GetWebhookRequest { id: id.clone() }).await;
    assert_eq!(answer.status, 200);
    let (message, trailers) = frames(&answer);
    assert!(trailers.contains("grpc-status:0"), "{trailers:?}");
    let found = v1::GetWebhookResponse::decode(message.as_slice()).unwrap();
    assert_eq!(found.webhook.unwrap().id, id);
    let answer = call(address, "GetWebhook", &v1::GetWebhookRequest::default()).await;
    // Without a message the status is in the headers.
    assert_eq!(answer.header("grpc-status"), "3");
    server.stop().await.unwrap();
    database.remove().await;
}
