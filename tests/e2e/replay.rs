//! Deliveries that are over are delivered once more: one, or very many.

use std::{
    collections::HashMap,
    env,
    time::{Duration, Instant},
};

use hookwright_proto::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{
    Answer, Client, Database, PATIENCE, Receiver, deliveries_when, delivery_when, list_all, on_both_stores,
    publish, register, start, webhook,
};

/// How many deliveries the large job replays; `HOOKWRIGHT_TEST_REPLAYS` asks for more, and shows what it took.
const DELIVERIES: usize = 600;

/// What the large job took, for whoever asked for more deliveries.
#[expect(clippy::print_stdout, reason = "a measurement")]
fn report(counting: Duration, job: &v1::Replay) {
    if env::var_os("HOOKWRIGHT_TEST_REPLAYS").is_some() {
        println!(
            "counted in {counting:?}; then {} scheduled at {:.0} a second, a restart included",
            job.scheduled_count, job.measured_rate
        );
    }
}

async fn replay(client: &mut Client, id: &str) -> Result<v1::Delivery, tonic::Status> {
    let request = v1::ReplayDeliveryRequest { id: id.to_owned() };
    let replayed = client.replay_delivery(request).await?.into_inner();
    Ok(replayed.delivery.unwrap())
}

async fn cancel(client: &mut Client, id: &str) -> Result<v1::Delivery, tonic::Status> {
    let request = v1::CancelDeliveryRequest { id: id.to_owned() };
    let cancelled = client.cancel_delivery(request).await?.into_inner();
    Ok(cancelled.delivery.unwrap())
}

async fn create(client: &mut Client, request: v1::CreateReplayRequest) -> v1::CreateReplayResponse {
    client.create_replay(request).await.unwrap().into_inner()
}

async fn job_when(client: &mut Client, id: &str, there: impl Fn(&v1::Replay) -> bool) -> v1::Replay {
    let wait = async {
        loop {
            let request = v1::GetReplayRequest { id: id.to_owned() };
            let found = client
                .get_replay(request)
                .await
                .unwrap()
                .into_inner()
                .replay
                .unwrap();
            if there(&found) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE * 20, wait)
        .await
        .expect("the job did not get there")
}

async fn dead(client: &mut Client) -> Vec<v1::Delivery> {
    let request = v1::ListDeliveriesRequest {
        state: v1::DeliveryState::Dead.into(),
        ..v1::ListDeliveriesRequest::default()
    };
    list_all(client, request).await
}

fn assert_wrong_state(refused: &tonic::Status, state: &str) {
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let details = refused.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(
        (info.reason.as_str(), info.metadata["state"].as_str()),
        ("WRONG_DELIVERY_STATE", state)
    );
}

on_both_stores! {
    /// A dead delivery would be lost for good, or get no second chance: its schedule is used up.
    async fn a_replayed_delivery_goes_through_its_whole_schedule_again(database: &Database) {
        let (server, mut client) = start(database).await;
        let receiver = Receiver::start().await;
        receiver.will_answer((0..5).map(|_| Answer::Status(500)));
        register(&mut client, webhook(receiver.url(), "generic", &[Duration::ZERO, Duration::ZERO])).await;
        let event = publish(&mut client, "user.created", "{}").await;
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Dead).await;
        let id = found.delivery.unwrap().id;
        assert_eq!(found.attempts.len(), 3);

        let replayed = replay(&mut client, &id).await.unwrap();
        assert!(replayed.replay_id.starts_with("rpl_"));
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        let numbers: Vec<u32> = found.attempts.iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6], "numbers go on, and three attempts are a whole schedule");
        let tagged: Vec<bool> = found.attempts.iter().map(|attempt| attempt.replay_id == replayed.replay_id).collect();
        assert_eq!(tagged, [false, false, false, true, true, true]);
        assert!(dead(&mut client).await.is_empty());

        // What was delivered can be replayed too, and is then shown as waiting and not as delivered.
        let held = std::sync::Arc::new(tokio::sync::Notify::new());
        receiver.will_answer([Answer::Held(std::sync::Arc::clone(&held))]);
        assert_eq!(replay(&mut client, &id).await.unwrap().state(), v1::DeliveryState::Scheduled);
        assert_wrong_state(&replay(&mut client, &id).await.unwrap_err(), "SCHEDULED");
        held.notify_one();
        let again = deliveries_when(&mut client, &event, |delivery| delivery.attempt_count == 7).await;
        assert_eq!(again[0].state(), v1::DeliveryState::Delivered);
        server.stop().await.unwrap();
    }

    /// Events that nobody wants any more would be attempted until their schedule ends.
    async fn a_cancelled_delivery_is_not_attempted_stays_listed_and_can_be_replayed(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(500)]);
        let (webhook_id, _) =
            register(&mut client, webhook(receiver.url(), "generic", &[Duration::from_hours(1)])).await;
        let event = publish(&mut client, "user.created", "{}").await;
        let id = delivery_when(&mut client, &event, v1::DeliveryState::Scheduled).await.delivery.unwrap().id;
        let cancelled = cancel(&mut client, &id).await.unwrap();
        assert_eq!((cancelled.state(), cancelled.attempt_count), (v1::DeliveryState::Cancelled, 1));
        assert_wrong_state(&cancel(&mut client, &id).await.unwrap_err(), "CANCELLED");
        let list = v1::ListDeliveriesRequest {
            state: v1::DeliveryState::Cancelled.into(),
            webhook_id: webhook_id.clone(),
            ..Default::default()
        };
        assert_eq!(client.list_deliveries(list).await.unwrap().into_inner().deliveries.len(), 1);
        receiver.next().await;
        replay(&mut client, &id).await.unwrap();
        receiver.next().await;
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert_eq!(found.attempts.len(), 2);

        let unknown = v1::ReplayDeliveryRequest { id: format!("dlv_{}", "0".repeat(52)) };
        assert_eq!(client.replay_delivery(unknown).await.unwrap_err().code(), Code::NotFound);
        client.delete_webhook(v1::DeleteWebhookRequest { id: webhook_id, ..v1::DeleteWebhookRequest::default() }).await.unwrap();
        let refused = replay(&mut client, &id).await.unwrap_err();
        assert_eq!(refused.get_error_details().error_info().unwrap().reason, "WEBHOOK_NOT_FOUND");
        server.stop().await.unwrap();
    }

    /// After an outage of days somebody would sit there and replay by hand, twice what was replayed before the restart.
    async fn a_large_replay_is_counted_throttled_watched_cancelled_and_resumed_across_a_restart(database: &Database) {
        let deliveries = env::var("HOOKWRIGHT_TEST_REPLAYS").map_or(DELIVERIES, |number| number.parse().unwrap());
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        // An answer that does not say that the endpoint is down, or it would be left alone after ten of them.
        receiver.will_answer((0..deliveries).map(|_| Answer::Status(400)));
        register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let publishers: Vec<_> = (0..8)
            .map(|share| {
                let mut client = client.clone();
                tokio::spawn(async move {
                    for number in (share..deliveries).step_by(8) {
                        publish(&mut client, "order.paid", &format!("{{\"number\":{number}}}")).await;
                    }
                })
            })
            .collect();
        for publisher in publishers {
            publisher.await.unwrap();
        }
        for _ in 0..deliveries {
            receiver.next().await;
        }
        let everything = deliveries as u64;
        let all_dead = async { while create(&mut client, dry_run()).await.matched_count < everything {} };
        tokio::time::timeout(PATIENCE * 10, all_dead).await.expect("the deliveries did not die");

        // Counted exactly, and nothing happens.
        let started = Instant::now();
        let counted = create(&mut client, dry_run()).await;
        let counting = started.elapsed();
        assert_eq!((counted.matched_count, counted.sample.len()), (everything, 10));
        assert!(counted.replay.is_none());

        // Throttled and watched: it is far from its end when it is cancelled.
        let rate = u32::try_from(deliveries / 6).unwrap().min(10_000);
        let request = v1::CreateReplayRequest { rate, ..v1::CreateReplayRequest::default() };
        let first = create(&mut client, request).await.replay.unwrap();
        let some = job_when(&mut client, &first.id, |job| job.scheduled_count > 0).await;
        assert_eq!(some.state(), v1::ReplayState::Running);
        assert!(some.estimated_end_time.is_some());
        let request = v1::CancelReplayRequest { id: first.id.clone() };
        let cancelled = client.cancel_replay(request).await.unwrap().into_inner().replay.unwrap();
        assert_eq!(cancelled.state(), v1::ReplayState::Cancelled);
        assert!(cancelled.scheduled_count < everything, "{} of {everything}", cancelled.scheduled_count);
        let left = create(&mut client, dry_run()).await.matched_count;
        assert_eq!(left, everything - cancelled.scheduled_count, "nothing is scheduled after the cancellation");

        // Resumed, and in the middle of it the service is restarted.
        let request = v1::CreateReplayRequest { resume_from: first.id.clone(), ..v1::CreateReplayRequest::default() };
        let second = create(&mut client, request.clone()).await.replay.unwrap();
        assert_eq!((second.resumed_from.as_str(), second.rate), (first.id.as_str(), rate));
        job_when(&mut client, &second.id, |job| job.scheduled_count > 0).await;
        server.stop().await.unwrap();
        let (server, mut client) = start(database).await;
        let second = job_when(&mut client, &second.id, |job| job.state() != v1::ReplayState::Running).await;
        assert_eq!(second.state(), v1::ReplayState::Done);
        report(counting, &second);
        assert_eq!(second.scheduled_count + cancelled.scheduled_count, everything, "each of them once");

        // Every delivery arrives again, and only once.
        let mut arrived: HashMap<String, usize> = HashMap::new();
        for _ in 0..deliveries {
            *arrived.entry(receiver.next().await.header("webhook-id").to_owned()).or_default() += 1;
        }
        assert_eq!(arrived.len(), deliveries);
        assert!(receiver.rest().is_empty());
        let refused = client
            .create_replay(v1::CreateReplayRequest { resume_from: second.id.clone(), ..Default::default() })
            .await
            .unwrap_err();
        assert_eq!(refused.get_error_details().error_info().unwrap().reason, "REPLAY_NOT_RESUMABLE");
        let jobs = client.list_replays(v1::ListReplaysRequest::default()).await.unwrap().into_inner().replays;
        assert_eq!(jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), [second.id.as_str(), first.id.as_str()]);
        server.stop().await.unwrap();
    }

    /// A filter that matches too much would deliver again what nobody asked for.
    async fn a_job_replays_what_its_filter_says_and_stops_at_its_limit(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let (id, _) = register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        for event_type in ["vault.created", "vault.deleted", "user.created"] {
            let event = publish(&mut client, event_type, "{}").await;
            delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
            receiver.next().await;
        }
        let filter = v1::ReplayFilter {
            webhook_id: id,
            event_types: vec![String::from("vault.*")],
            states: vec![v1::DeliveryState::Delivered.into(), v1::DeliveryState::Dead.into()],
            ..Default::default()
        };
        let wanted = |filter: &v1::ReplayFilter| v1::CreateReplayRequest {
            filter: Some(filter.clone()),
            dry_run: true,
            ..Default::default()
        };
        assert_eq!(create(&mut client, wanted(&filter)).await.matched_count, 2);
        let all = v1::ReplayFilter { webhook_id: String::new(), event_types: Vec::new(), ..filter.clone() };
        assert_eq!(create(&mut client, wanted(&all)).await.matched_count, 3);
        let past = v1::ReplayFilter { until_time: Some(pbjson_types::Timestamp { seconds: 1, nanos: 0 }), ..all };
        assert_eq!(create(&mut client, wanted(&past)).await.matched_count, 0);
        let limited = v1::CreateReplayRequest { dry_run: false, max_deliveries: 1, ..wanted(&filter) };
        let job = create(&mut client, limited).await.replay.unwrap();
        let job = job_when(&mut client, &job.id, |job| job.state() == v1::ReplayState::Done).await;
        assert_eq!((job.matched_count, job.scheduled_count), (2, 1));
        assert_eq!(receiver.next().await.json()["type"], "vault.created", "the oldest first");

        for (request, reason) in [
            (v1::CreateReplayRequest { rate: 10_001, ..Default::default() }, "INVALID_RATE"),
            (
                v1::CreateReplayRequest {
                    filter: Some(v1::ReplayFilter { states: vec![v1::DeliveryState::Leased.into()], ..Default::default() }),
                    ..Default::default()
                },
                "UNKNOWN_STATE",
            ),
            (v1::CreateReplayRequest { resume_from: format!("rpl_{}", "0".repeat(26)), ..Default::default() }, "REPLAY_NOT_FOUND"),
        ] {
            let refused = client.create_replay(request).await.unwrap_err();
            assert_eq!(refused.get_error_details().error_info().unwrap().reason, reason);
        }
        server.stop().await.unwrap();
    }
}

fn dry_run() -> v1::CreateReplayRequest {
    v1::CreateReplayRequest {
        dry_run: true,
        ..v1::CreateReplayRequest::default()
    }
}
