//! Stopping a server loses nothing and costs no attempt.

use std::{sync::Arc, time::Duration};

use hookwright_proto::v1;
use tokio::sync::Notify;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::harness::{
    Answer, Database, PATIENCE, Receiver, config, delivery_when, on_both_stores, publish, register, start,
    start_with, webhook,
};

on_both_stores! {
    /// A deployment would use up the receiver's attempts, or forget the delivery.
    async fn an_attempt_that_a_stop_interrupts_is_given_back_and_not_counted(database: &Database) {
        let mut stopping = config(database.address());
        stopping.grace = Duration::ZERO;
        let (server, mut client) = start_with(stopping).await;
        let mut receiver = Receiver::start().await;
        let never = Arc::new(Notify::new());
        receiver.will_answer([Answer::Held(Arc::clone(&never))]);
        // No retry is allowed: an interruption that counted would be the end of it.
        register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let event = publish(&mut client, "user.created", "{}").await;
        let first = receiver.next().await;
        drop(client);
        server.stop().await.unwrap();

        let (server, mut client) = start(database).await;
        let second = receiver.next().await;
        assert_eq!(first.body, second.body);
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert_eq!(found.attempts.len(), 1);
        assert_eq!(found.attempts[0].number, 1);
        server.stop().await.unwrap();
    }

    /// Every stop would send what was just under way a second time.
    async fn an_attempt_that_ends_within_the_grace_is_not_repeated(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let release = Arc::new(Notify::new());
        receiver.will_answer([Answer::Held(Arc::clone(&release))]);
        register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let event = publish(&mut client, "user.created", "{}").await;
        receiver.next().await;
        let stop = tokio::spawn(server.stop());
        release.notify_one();
        drop(client);
        stop.await.unwrap().unwrap();

        let (server, mut client) = start(database).await;
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// A client that keeps a stream open would keep the service from stopping.
    async fn an_open_stream_does_not_hold_up_a_stop(database: &Database) {
        let mut impatient = config(database.address());
        impatient.grace = Duration::from_millis(200);
        let (server, mut client) = start_with(impatient).await;
        let mut receiver = Receiver::start().await;
        register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        publish(&mut client, "user.created", "{}").await;
        receiver.next().await;
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.local_addr())).unwrap();
        let mut health = HealthClient::new(endpoint.connect().await.unwrap());
        let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        watch.message().await.unwrap();
        tokio::time::timeout(PATIENCE, server.stop()).await.expect("it does not stop").unwrap();
    }

    /// Load balancers would not learn whether to send requests here.
    async fn health_is_told(database: &Database) {
        let (server, _client) = start(database).await;
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.local_addr())).unwrap();
        let mut health = HealthClient::new(endpoint.connect().await.unwrap());
        for service in ["", "hookwright.v1.WebhookService"] {
            let request = HealthCheckRequest { service: service.to_owned() };
            let answer = health.check(request).await.unwrap().into_inner();
            assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
        }
        server.stop().await.unwrap();
    }
}
