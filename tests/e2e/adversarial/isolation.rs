//! One bad endpoint hurts nobody else, and is not hurt when it comes back. What is asserted is what receivers counted.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hookwright_proto::v1;
use hookwright_store::{Clock, Timestamp};
use http_body_util::{BodyExt as _, Full};
use hyper::{Response, StatusCode, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::harness::{
    Client, Database, PATIENCE, delivery_when, on_both_stores, publish, register, start, start_with_clock,
    webhook,
};

const START: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

/// What a turnstile does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Hang,
    Answer(u16),
}

#[derive(Clone, Debug, Default)]
struct Counts {
    arrived: usize,
    /// Answers on their way.
    answered: usize,
    accepted: usize,
    in_flight: usize,
    in_flight_max: usize,
    /// For each request: how many there were with it, and how many had been accepted before.
    crowds: Vec<(usize, usize)>,
}

/// A receiver that counts who is inside.
struct Turnstile {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    counts: Arc<Mutex<Counts>>,
    changed: watch::Receiver<()>,
    task: JoinHandle<()>,
}

impl Turnstile {
    async fn start(mode: Mode) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, modes) = watch::channel(mode);
        let (change, changed) = watch::channel(());
        let counts = Arc::new(Mutex::new(Counts::default()));
        let (shared, change) = (Arc::clone(&counts), Arc::new(change));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (counts, modes, change) = (Arc::clone(&shared), modes.clone(), Arc::clone(&change));
                tokio::spawn(async move {
                    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
                        let (counts, modes, change) =
                            (Arc::clone(&counts), modes.clone(), Arc::clone(&change));
                        async move {
                            let _ = request.into_body().collect().await;
                            Ok::<_, Infallible>(enter(&counts, modes, &change).await)
                        }
                    });
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            mode,
            counts,
            changed,
            task,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    fn counts(&self) -> Counts {
        self.counts.lock().unwrap().clone()
    }

    fn forget(&self) {
        *self.counts.lock().unwrap() = Counts::default();
    }

    async fn when(&mut self, reached: impl Fn(&Counts) -> bool) -> Counts {
        let counts = Arc::clone(&self.counts);
        let there = self.changed.wait_for(|()| reached(&counts.lock().unwrap()));
        let waited = tokio::time::timeout(PATIENCE, there).await.map(drop);
        let counts = self.counts();
        waited.unwrap_or_else(|_| {
            panic!(
                "{} arrived, {} accepted, {} in flight",
                counts.arrived, counts.accepted, counts.in_flight
            )
        });
        counts
    }
}

impl Drop for Turnstile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn enter(
    counts: &Mutex<Counts>,
    mut modes: watch::Receiver<Mode>,
    change: &watch::Sender<()>,
) -> Response<Full<Bytes>> {
    {
        let mut counts = counts.lock().unwrap();
        counts.arrived += 1;
        counts.in_flight += 1;
        counts.in_flight_max = counts.in_flight_max.max(counts.in_flight);
        let crowd = (counts.in_flight, counts.accepted);
        counts.crowds.push(crowd);
    }
    change.send_replace(());
    let mode = modes.wait_for(|mode| *mode != Mode::Hang).await.map(|mode| *mode);
    let Ok(Mode::Answer(status)) = mode else {
        std::future::pending().await
    };
    {
        let mut counts = counts.lock().unwrap();
        counts.in_flight -= 1;
        counts.answered += 1;
        counts.accepted += usize::from(status == 200);
    }
    change.send_replace(());
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// The webhook, once its status is as wanted.
async fn webhook_when(client: &mut Client, id: &str, reached: impl Fn(&v1::Webhook) -> bool) -> v1::Webhook {
    let wait = async {
        loop {
            let request = v1::GetWebhookRequest { id: id.to_owned() };
            let found = client
                .get_webhook(request)
                .await
                .unwrap()
                .into_inner()
                .webhook
                .unwrap();
            if reached(&found) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the webhook did not get there")
}

fn breaker(webhook: &v1::Webhook) -> v1::BreakerState {
    webhook.status.as_ref().unwrap().breaker()
}

async fn publish_many(client: &mut Client, event_type: &str, count: usize) {
    for _ in 0..count {
        publish(client, event_type, "{}").await;
    }
}

const HOUR: Duration = Duration::from_hours(1);

on_both_stores! {
    /// A receiver that has just come back would be knocked over by everything that it has missed.
    async fn case_15_thundering_herd_on_recovery(database: &Database) {
        let clock = Clock::manual(START);
        let (server, mut client) = start_with_clock(database, &clock).await;
        let mut receiver = Turnstile::start(Mode::Answer(503)).await;
        let (id, _) = register(&mut client, webhook(receiver.url(), "generic", &[HOUR, HOUR])).await;
        publish_many(&mut client, "user.created", 300).await;
        let is_down = |webhook: &v1::Webhook| {
            breaker(webhook) == v1::BreakerState::Open && webhook.status.as_ref().unwrap().in_flight == 0
        };
        webhook_when(&mut client, &id, is_down).await;
        assert!(receiver.counts().arrived < 64, "the outage cost most deliveries no attempt");

        receiver.forget();
        receiver.set(Mode::Answer(200));
        clock.advance(HOUR);
        let counts = receiver.when(|counts| counts.accepted == 300).await;
        assert_eq!(counts.arrived, 300, "nothing was sent twice");
        for (number, (in_flight, accepted)) in counts.crowds.iter().enumerate() {
            assert!(*in_flight <= 1 + accepted, "request {number}: {in_flight} at once after {accepted} successes");
        }
        webhook_when(&mut client, &id, |webhook| breaker(webhook) == v1::BreakerState::Closed).await;
        server.stop().await.unwrap();
    }

    /// One endpoint that hangs would hold everybody else's events up.
    async fn case_16_poison_endpoint_at_the_head_of_the_line(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut poison = Turnstile::start(Mode::Hang).await;
        let mut others = Vec::new();
        let with_types = |url, types: &str| v1::Webhook {
            event_types: vec![types.to_owned()],
            timeout: Some(Duration::from_mins(2).into()),
            ..webhook(url, "generic", &[Duration::ZERO; 9])
        };
        register(&mut client, with_types(poison.url(), "poison.*")).await;
        for _ in 0..3 {
            let other = Turnstile::start(Mode::Answer(200)).await;
            register(&mut client, with_types(other.url(), "good.*")).await;
            others.push(other);
        }
        publish_many(&mut client, "poison.made", 1_500).await;
        for _ in 0..100 {
            publish_many(&mut client, "poison.made", 5).await;
            publish_many(&mut client, "good.made", 1).await;
        }
        for other in &mut others {
            other.when(|counts| counts.accepted == 100).await;
        }
        let counts = poison.counts();
        assert_eq!(counts.answered, 0, "and all the while it had not answered once");
        assert!(counts.in_flight_max <= 64);
        poison.set(Mode::Answer(200));
        poison.when(|counts| counts.accepted == 2_000).await;
        server.stop().await.unwrap();
    }

    /// A receiver that can do a few things at once would get more.
    async fn no_more_requests_at_once_than_the_owner_allows(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Turnstile::start(Mode::Hang).await;
        let limited = v1::Webhook { max_in_flight: 3, ..webhook(receiver.url(), "generic", &[]) };
        let (id, _) = register(&mut client, limited).await;
        publish_many(&mut client, "user.created", 60).await;
        receiver.when(|counts| counts.in_flight == 3).await;
        let found = webhook_when(&mut client, &id, |webhook| webhook.status.as_ref().unwrap().in_flight == 3).await;
        assert_eq!((found.max_in_flight, found.status.unwrap().window), (3, 3));
        receiver.set(Mode::Answer(200));
        let counts = receiver.when(|counts| counts.accepted == 60).await;
        assert_eq!((counts.in_flight_max, counts.arrived), (3, 60));
        server.stop().await.unwrap();
    }

    /// A receiver that pays for each request, or is slow, would get more a second than its owner promised.
    async fn a_rate_is_kept_and_what_is_beyond_it_waits(database: &Database) {
        let clock = Clock::manual(START);
        let (server, mut client) = start_with_clock(database, &clock).await;
        let mut receiver = Turnstile::start(Mode::Answer(200)).await;
        let rate_limit = Some(v1::RateLimit { per_second: 0.5, burst: 2 });
        let limited = v1::Webhook { rate_limit, ..webhook(receiver.url(), "generic", &[]) };
        let (id, _) = register(&mut client, limited).await;
        let mut events = Vec::new();
        for _ in 0..6 {
            events.push(publish(&mut client, "user.created", "{}").await);
        }
        for expected in 2..=6 {
            let counts = receiver.when(|counts| counts.accepted >= expected).await;
            assert_eq!(counts.arrived, expected);
            let is_idle = |webhook: &v1::Webhook| webhook.status.as_ref().unwrap().in_flight == 0;
            webhook_when(&mut client, &id, is_idle).await;
            clock.advance(Duration::from_millis(2_001));
        }
        for event in events {
            let found = delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
            assert_eq!(found.attempts.len(), 1, "waiting is no attempt");
        }
        server.stop().await.unwrap();
    }

    /// An endpoint that is down would get every retry of everything, and deliveries would use their attempts up on it.
    async fn an_endpoint_that_is_down_gets_one_probe_at_a_time(database: &Database) {
        let clock = Clock::manual(START);
        let (server, mut client) = start_with_clock(database, &clock).await;
        let mut receiver = Turnstile::start(Mode::Answer(500)).await;
        let (id, _) = register(&mut client, webhook(receiver.url(), "generic", &[HOUR])).await;
        publish_many(&mut client, "user.created", 100).await;
        let waits_until = |seconds: i64| move |webhook: &v1::Webhook| {
            let status = webhook.status.as_ref().unwrap();
            let until = status.wait_until_time.as_ref().map(|moment| moment.seconds);
            until == Some(1_800_000_000 + seconds) && status.in_flight == 0
        };
        webhook_when(&mut client, &id, waits_until(1)).await;
        let before = receiver.counts().arrived;
        for (number, (wait, until)) in [(1, 3), (2, 7), (4, 15), (8, 31)].into_iter().enumerate() {
            clock.advance(Duration::from_secs(wait));
            receiver.when(|counts| counts.arrived > before + number).await;
            webhook_when(&mut client, &id, waits_until(until)).await;
            assert_eq!(receiver.counts().arrived, before + number + 1, "one probe");
        }
        server.stop().await.unwrap();
    }

    /// A webhook whose receiver is gone for good would be attempted for ever; one that is restarted often, too.
    async fn a_webhook_that_fails_for_too_long_is_disabled_whatever_restarts_in_between(database: &Database) {
        let clock = Clock::manual(START);
        let (server, mut client) = start_with_clock(database, &clock).await;
        let mut receiver = Turnstile::start(Mode::Answer(404)).await;
        let days = |days: u64| Duration::from_hours(days * 24);
        let failing = v1::Webhook {
            disable_after: Some(days(4).into()),
            ..webhook(receiver.url(), "generic", &[days(2), days(3), days(3)])
        };
        let (id, _) = register(&mut client, failing).await;
        publish(&mut client, "user.created", "{}").await;
        let is_failing = |attempts: usize| {
            let counts = receiver.counts.clone();
            move |webhook: &v1::Webhook| {
                let status = webhook.status.as_ref().unwrap();
                let since = status.failing_since_time.as_ref().map(|moment| moment.seconds);
                counts.lock().unwrap().answered == attempts && since == Some(1_800_000_000) && status.in_flight == 0
            }
        };
        webhook_when(&mut client, &id, is_failing(1)).await;
        clock.advance(days(2));
        let found = webhook_when(&mut client, &id, is_failing(2)).await;
        assert_eq!(found.state(), v1::WebhookState::Active);
        server.stop().await.unwrap();

        let (server, mut client) = start_with_clock(database, &clock).await;
        clock.advance(days(3));
        receiver.when(|counts| counts.answered == 3).await;
        webhook_when(&mut client, &id, |webhook| webhook.state() == v1::WebhookState::Disabled).await;
        server.stop().await.unwrap();
    }
}

/// A limit that cannot be meant would be taken for one that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_out_of_bounds_are_refused_by_name() {
    let database = Database::sqlite();
    let (server, mut client) = start(&database).await;
    let bad = v1::Webhook {
        rate_limit: Some(v1::RateLimit {
            per_second: f64::NAN,
            burst: 0,
        }),
        max_in_flight: 10_001,
        disable_after: Some(Duration::from_secs(1).into()),
        ..webhook("http://127.0.0.1:1/".to_owned(), "generic", &[])
    };
    let request = v1::RegisterRequest {
        webhook: Some(bad),
        ..v1::RegisterRequest::default()
    };
    let status = client.register(request).await.unwrap_err();
    let details = tonic_types::StatusExt::get_error_details(&status);
    let fields: Vec<&str> = details
        .bad_request()
        .unwrap()
        .field_violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "webhook.rate_limit.per_second",
            "webhook.max_in_flight",
            "webhook.disable_after"
        ]
    );
    server.stop().await.unwrap();
    database.remove().await;
}
