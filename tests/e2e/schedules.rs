//! The retry schedules that the platforms promise, through the whole service, on a clock that the test moves.

use std::{ops::RangeInclusive, time::Duration};

use hookwright_proto::v1;
use hookwright_store::{Clock, Timestamp};

use crate::harness::{
    Answer, Database, Receiver, deliveries_when, on_both_stores, publish, register, start_with_clock, webhook,
};

/// The waits in seconds, each between two bounds where the platform leaves it to chance.
type Waits = &'static [RangeInclusive<i64>];

const FILEDGR: Waits = &[2..=2, 4..=4, 8..=8, 16..=16];
const DIGIVAULT: Waits = &[60..=60, 300..=300, 900..=900, 3_600..=3_600, 21_600..=21_600];
const AETHERFLOW: Waits = &[30..=30, 300..=300, 1_800..=1_800];
/// Exponential with jitter and a longest delay; five attempts at most.
const CONTRACTAI: Waits = &[2..=5, 10..=20, 40..=80, 160..=320];
const GENERIC: Waits = &[30..=30, 300..=300, 1_800..=1_800, 7_200..=7_200];

fn micros(moment: Option<&pbjson_types::Timestamp>) -> i64 {
    let moment = moment.expect("a moment");
    moment.seconds * 1_000_000 + i64::from(moment.nanos) / 1_000
}

async fn keeps(database: &Database, profile: &str, waits: Waits) {
    let clock = Clock::manual(Timestamp::from_unix_micros(1_800_000_000_000_000));
    let (server, mut client) = start_with_clock(database, &clock).await;
    let mut receiver = Receiver::start().await;
    receiver.will_answer((0..=waits.len()).map(|_| Answer::Status(500)));
    let webhook = v1::Webhook {
        retry_policy: None,
        ..webhook(receiver.url(), profile, &[])
    };
    register(&mut client, webhook).await;
    let event = publish(&mut client, "anything.happened", "{}").await;
    for (number, wait) in (1_u32..).zip(waits) {
        receiver.next().await;
        let found = deliveries_when(&mut client, &event, |delivery| delivery.attempt_count == number).await;
        assert_eq!(
            found[0].state(),
            v1::DeliveryState::Scheduled,
            "{profile} attempt {number}"
        );
        // The clock stood still, so this is when the attempt ended.
        let ended = clock.now().unix_micros();
        let waited = micros(found[0].next_attempt_time.as_ref()) - ended;
        let (least, most) = (wait.start() * 1_000_000, wait.end() * 1_000_000);
        assert!(
            (least..=most).contains(&waited),
            "{profile} waits {waited} us after attempt {number}"
        );
        // A microsecond before nothing happens; at the time, the next attempt begins, and the log says so.
        clock.advance(Duration::from_micros(waited.unsigned_abs()));
        let request = v1::GetDeliveryRequest {
            id: found[0].id.clone(),
        };
        deliveries_when(&mut client, &event, |delivery| {
            delivery.attempt_count == number + 1
        })
        .await;
        let attempts = client.get_delivery(request).await.unwrap().into_inner().attempts;
        let started = micros(attempts.last().unwrap().start_time.as_ref());
        assert_eq!(started - ended, waited, "{profile} attempt {}", number + 1);
    }
    receiver.next().await;
    let found = deliveries_when(&mut client, &event, |delivery| {
        delivery.state() == v1::DeliveryState::Dead
    })
    .await;
    assert_eq!(found[0].attempt_count as usize, waits.len() + 1);
    assert!(receiver.rest().is_empty());
    server.stop().await.unwrap();
}

on_both_stores! {
    /// Filedgr's customers would see other retry times than they were promised.
    async fn filedgr_is_kept_to_the_second(database: &Database) {
        keeps(database, "filedgr", FILEDGR).await;
    }

    /// DigiVault's customers would see other retry times than they were promised.
    async fn digivault_is_kept_to_the_second(database: &Database) {
        keeps(database, "digivault", DIGIVAULT).await;
    }

    /// `AetherFlow`'s customers would see other retry times than they were promised.
    async fn aetherflow_is_kept_to_the_second(database: &Database) {
        keeps(database, "aetherflow", AETHERFLOW).await;
    }

    /// `ContractAI`'s customers would see more attempts than they were promised, or longer delays.
    async fn contractai_is_kept_within_its_jitter(database: &Database) {
        keeps(database, "contractai", CONTRACTAI).await;
    }

    /// Customers of the generic platform would see other retry times than they were promised.
    async fn generic_is_kept_to_the_second(database: &Database) {
        keeps(database, "generic", GENERIC).await;
    }
}
