//! A secret is rotated while events flow, and the receiver changes over in the middle of the overlap.

use std::time::Duration;

use hookwright_core::{Profile, Request, Secret, Verifier};
use hookwright_proto::v1;
use hookwright_store::{Clock, Timestamp};

use crate::harness::{self, Client, Database, Receiver, on_both_stores, publish, register, start_with_clock};

const OVERLAP: Duration = Duration::from_hours(1);
/// Events between one step and the next.
const EVENTS: usize = 60;

/// A receiver that knows one secret.
struct Verifying {
    receiver: Receiver,
    verifier: Verifier,
    arrived: usize,
}

impl Verifying {
    fn switch_to(&mut self, secret: &str) {
        self.verifier = verifier(secret);
    }

    /// Takes as many requests, and fails at the first one that its secret does not vouch for.
    async fn verify(&mut self, count: usize, now: i64) {
        for _ in 0..count {
            let request = self.receiver.next().await;
            let headers: Vec<(&str, &[u8])> = request
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes()))
                .collect();
            let received = Request {
                method: request.method.as_str(),
                url: &request.path,
                headers: &headers,
                body: &request.body,
            };
            self.verifier.verify(&received, now).unwrap();
            self.arrived += 1;
        }
    }
}

fn verifier(secret: &str) -> Verifier {
    let profile = Profile::builtin("standard-webhooks").unwrap();
    Verifier::for_profile(&profile, &[Secret::parse(secret).unwrap()]).unwrap()
}

async fn publish_many(client: &mut Client) {
    for number in 0..EVENTS {
        publish(client, "order.paid", &format!("{{\"number\":{number}}}")).await;
    }
}

on_both_stores! {
    /// Every rotation would cost the receiver events, or take a moment at which both sides change at once.
    async fn case_21_a_receiver_changes_over_in_the_middle_of_the_overlap_and_nothing_fails(database: &Database) {
        let clock = Clock::manual(Timestamp::from_unix_micros(1_800_000_000_000_000));
        let (server, mut client) = start_with_clock(database, &clock).await;
        let receiver = Receiver::start().await;
        let webhook = v1::Webhook { url: receiver.url(), ..v1::Webhook::default() };
        let (id, old) = register(&mut client, webhook).await;
        let mut receiver = Verifying { receiver, verifier: verifier(&old), arrived: 0 };

        // Events are under way while the secret is rotated.
        let mut publisher = client.clone();
        let load = tokio::spawn(async move { publish_many(&mut publisher).await });
        receiver.verify(1, clock.now().unix_seconds()).await;
        let request = v1::RotateSecretRequest { id: id.clone(), overlap: Some(OVERLAP.into()), ..Default::default() };
        let rotated = client.rotate_secret(request).await.unwrap().into_inner();
        assert_ne!(rotated.secret, old);
        assert_eq!(rotated.live_secret_count, 2);
        load.await.unwrap();
        receiver.verify(EVENTS - 1, clock.now().unix_seconds()).await;

        // The overlap: first the receiver still has the old secret, then the new one.
        publish_many(&mut client).await;
        receiver.verify(EVENTS, clock.now().unix_seconds()).await;
        clock.advance(OVERLAP / 2);
        receiver.switch_to(&rotated.secret);
        publish_many(&mut client).await;
        receiver.verify(EVENTS, clock.now().unix_seconds()).await;

        // After it the old secret signs nothing, without a restart: the next heartbeat lets go of it.
        clock.advance(OVERLAP / 2);
        let only_new = async {
            loop {
                publish(&mut client, "order.paid", "{}").await;
                let request = receiver.receiver.next().await;
                receiver.arrived += 1;
                if request.header("webhook-signature").split(' ').count() == 1 {
                    return request;
                }
            }
        };
        let request = tokio::time::timeout(harness::PATIENCE, only_new).await.expect("the old secret signs on");
        assert_eq!(request.header("webhook-timestamp"), clock.now().unix_seconds().to_string());
        publish_many(&mut client).await;
        receiver.verify(EVENTS, clock.now().unix_seconds()).await;
        assert!(receiver.arrived > 4 * EVENTS, "nothing was lost");
        server.stop().await.unwrap();
    }
}
