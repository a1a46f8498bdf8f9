//! Figures: an engineer on call sees since when a webhook fails, and a platform shows its customers a chart.

use std::time::Duration;

use hookwright_proto::v1;
use hookwright_store::{Clock, StoreAddress, Timestamp};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    command_line::{run, stdout},
    harness::{
        Answer, Client, Database, Receiver, config, delivery_when, on_both_stores, publish, register,
        start_with, until, webhook,
    },
    http::send,
};

/// Half past eight and ten seconds.
const START: Timestamp = Timestamp::from_unix_micros(1_800_001_810_000_000);
const MINUTE: i64 = 60;

/// Published, attempts, failed, delivered, dead.
fn figures(point: &v1::StatsPoint) -> [u64; 5] {
    [
        point.published_count,
        point.attempt_count,
        point.failed_attempt_count,
        point.delivered_count,
        point.dead_count,
    ]
}

fn of(webhook: &str) -> v1::GetStatsRequest {
    v1::GetStatsRequest {
        webhook_id: webhook.to_owned(),
        ..v1::GetStatsRequest::default()
    }
}

async fn stats(client: &mut Client, request: v1::GetStatsRequest) -> v1::GetStatsResponse {
    client.get_stats(request).await.unwrap().into_inner()
}

/// Waits until the whole tenant has these figures in the last hour.
async fn until_counted(client: &Client, expected: [u64; 5]) {
    until("all is counted", async || {
        let answer = stats(&mut client.clone(), of("")).await;
        figures(&answer.total.unwrap()) == expected
    })
    .await;
}

/// The seconds since the first point and the figures of those points in which there is anything.
fn happened(answer: &v1::GetStatsResponse) -> Vec<(i64, [u64; 5])> {
    let seconds = |point: &v1::StatsPoint| point.start_time.unwrap().seconds;
    let first = seconds(&answer.points[0]);
    let points = answer
        .points
        .iter()
        .map(|point| (seconds(point) - first, figures(point)));
    points.filter(|(_, figures)| *figures != [0; 5]).collect()
}

/// What is written.
async fn published(database: &Database) -> Vec<i64> {
    let rows = "select published from stat order by granularity";
    match database.address() {
        StoreAddress::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap()
        }
        StoreAddress::Sqlite(path) => {
            let url = format!("sqlite:{}", path.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap()
        }
    }
}

/// A service on this clock, that stays the same node however far time is moved.
fn clocked(database: &Database, clock: &Clock) -> hookwright_server::Config {
    let mut config = config(database.address());
    config.clock = clock.clone();
    config.node.lease = Duration::from_hours(1_000);
    config
}

on_both_stores! {
    /// Who is called at night would not see which webhook fails, since when, or would see what has not happened.
    async fn attempts_are_counted_by_webhook_and_minute_and_a_restart_forgets_none(database: &Database) {
        let clock = Clock::manual(START);
        let (server, mut client) = start_with(clocked(database, &clock)).await;
        let (good, bad) = (Receiver::start().await, Receiver::start().await);
        bad.will_answer([Answer::Status(200), Answer::Status(500), Answer::Status(500), Answer::Status(404)]);
        let (good_id, _) = register(&mut client, webhook(good.url(), "generic", &[])).await;
        let mut retried = webhook(bad.url(), "generic", &[Duration::from_mins(2)]);
        retried.retry_policy.as_mut().unwrap().permanent_statuses = vec!["404".to_owned()];
        let (bad_id, _) = register(&mut client, retried).await;

        // Accepted by both.
        publish(&mut client, "user.created", "{}").await;
        until_counted(&client, [1, 2, 0, 2, 0]).await;
        // Refused by one, and again two minutes later.
        clock.advance(Duration::from_mins(5));
        publish(&mut client, "user.created", "{}").await;
        until_counted(&client, [2, 4, 1, 3, 0]).await;
        clock.advance(Duration::from_mins(2));
        until_counted(&client, [2, 5, 2, 3, 1]).await;
        // A permanent refusal.
        publish(&mut client, "user.created", "{}").await;
        until_counted(&client, [3, 7, 3, 4, 2]).await;

        let answer = stats(&mut client, of(&bad_id)).await;
        assert_eq!(answer.resolution(), v1::StatsResolution::Minute);
        assert_eq!(answer.points.len(), 61, "an hour and the minute that has begun");
        let first = answer.points[0].start_time.unwrap();
        assert_eq!(first.seconds, START.unix_seconds() - 10 - 53 * MINUTE);
        assert_eq!(answer.end_time.unwrap().seconds, first.seconds + 61 * MINUTE);
        let total = answer.total.unwrap();
        assert_eq!(total.start_time, Some(first));
        assert_eq!(figures(&total), [3, 4, 3, 1, 2]);
        assert!(total.duration_p50.is_some() && total.duration_p95.is_some() && total.duration_p99.is_some());
        let since = 53 * MINUTE;
        assert_eq!(
            happened(&answer),
            [
                (since, [1, 1, 0, 1, 0]),
                (since + 5 * MINUTE, [1, 1, 1, 0, 0]),
                (since + 7 * MINUTE, [1, 2, 2, 0, 2]),
            ]
        );
        let whole = stats(&mut client, of("")).await;
        assert_eq!(figures(&whole.total.unwrap()), [3, 7, 3, 4, 2]);
        let good_ones = stats(&mut client, of(&good_id)).await;
        assert_eq!(figures(good_ones.total.as_ref().unwrap()), [3, 3, 0, 3, 0]);

        server.stop().await.unwrap();
        let (server, mut client) = start_with(clocked(database, &clock)).await;
        for (id, before) in [(&bad_id, &answer), (&good_id, &good_ones), (&String::new(), &whole)] {
            assert_eq!(stats(&mut client, of(id)).await, *before, "after a restart");
        }
        let hours = v1::GetStatsRequest { resolution: v1::StatsResolution::Hour.into(), ..of(&bad_id) };
        let hours = stats(&mut client, hours).await;
        assert_eq!(hours.points.len(), 2, "the hour in which the last one began, and this one");
        assert_eq!(happened(&hours), [(3_600, figures(&total))]);
        assert_eq!(hours.total.unwrap().duration_p99, total.duration_p99);
        server.stop().await.unwrap();
    }

    /// Customers' charts would stay empty, or the two ways to ask would tell different things.
    async fn http_and_the_command_line_tell_the_same(database: &Database) {
        // It stands still, so that everything is in one minute.
        let clock = Clock::manual(Clock::system().now());
        let (server, mut client) = start_with(clocked(database, &clock)).await;
        let receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(500)]);
        let (id, _) = register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let event = publish(&mut client, "user.created", "{}").await;
        delivery_when(&mut client, &event, v1::DeliveryState::Dead).await;
        until_counted(&client, [1, 1, 1, 0, 1]).await;

        let address = server.local_addr();
        let answer = send(address, "GET", &format!("/v1/webhooks/{id}/stats"), "").await.done();
        assert_eq!(answer["resolution"], "STATS_RESOLUTION_MINUTE");
        assert_eq!(answer["total"]["failedAttemptCount"], "1");
        assert_eq!(answer["total"]["deadCount"], "1");
        let took = answer["total"]["durationP99"].as_str().unwrap();
        assert!(took.ends_with('s') && !took.starts_with('-'), "{took}");
        let points = answer["points"].as_array().unwrap();
        let failed = points.iter().filter(|point| point["failedAttemptCount"] == "1").count();
        assert!(points.len() > 60 && failed == 1, "{answer}");
        let quiet = points.iter().find(|point| point["attemptCount"] == "0").unwrap();
        assert_eq!(quiet["durationP50"], Value::Null);

        let path = format!("/v1/stats?webhookId={id}&resolution=STATS_RESOLUTION_HOUR");
        let hours = send(address, "GET", &path, "").await.done();
        assert_eq!(hours["total"]["attemptCount"], "1");
        let refused = send(address, "GET", "/v1/stats?startTime=2001-01-01T00:00:00Z", "").await;
        assert_eq!(refused.reason(400), "INVALID_TIME_SPAN");

        let url = server.url();
        let told = tokio::task::spawn_blocking(move || {
            let told = |args: &[&str]| {
                let output = run(&[&["stats", "--server", &url], args].concat());
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                stdout(&output)
            };
            [told(&["--webhook", &id]), told(&["--since", "90d", "--json"])]
        });
        let [table, json] = told.await.unwrap();
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 3, "a heading, the only minute, and the sum: {table}");
        assert_eq!(lines[0], ["MINUTE", "PUBLISHED", "ATTEMPTS", "FAILED", "DELIVERED", "DEAD", "P50", "P95", "P99"]);
        assert_eq!(lines[1][1..6], ["1", "1", "1", "0", "1"]);
        assert_eq!(lines[2][..2], ["all", "since"]);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["resolution"], "STATS_RESOLUTION_HOUR");
        assert_eq!(json["total"]["attemptCount"], "1");
        server.stop().await.unwrap();
    }

    /// A typing error would look like a webhook that nothing happens to, and a question without an answer like silence.
    async fn a_question_that_has_no_answer_is_refused_with_what_to_do(database: &Database) {
        let clock = Clock::manual(START);
        let (server, mut client) = start_with(clocked(database, &clock)).await;
        let (id, _) = register(&mut client, webhook("http://127.0.0.1:9/".to_owned(), "generic", &[])).await;
        assert_eq!(figures(&stats(&mut client, of(&id)).await.total.unwrap()), [0; 5], "it is there, and quiet");

        let at = |seconds: i64| Some(pbjson_types::Timestamp { seconds: START.unix_seconds() + seconds, nanos: 0 });
        let minutes = v1::StatsResolution::Minute.into();
        for (request, code, reason) in [
            (of("whk_01h455vb4pex5vsknk084sn02q"), Code::NotFound, "WEBHOOK_NOT_FOUND"),
            (of("nonsense"), Code::InvalidArgument, "INVALID_ID"),
            (v1::GetStatsRequest { start_time: at(0), ..of("") }, Code::InvalidArgument, "INVALID_TIME_SPAN"),
            (
                v1::GetStatsRequest { start_time: at(-10), end_time: at(-10), ..of("") },
                Code::InvalidArgument,
                "INVALID_TIME_SPAN",
            ),
            (
                v1::GetStatsRequest { start_time: at(-26 * 3_600), resolution: minutes, ..of("") },
                Code::InvalidArgument,
                "INVALID_TIME_SPAN",
            ),
            (v1::GetStatsRequest { resolution: 7, ..of("") }, Code::InvalidArgument, "UNKNOWN_RESOLUTION"),
        ] {
            let refused = client.get_stats(request.clone()).await.unwrap_err();
            assert_eq!(refused.code(), code, "{request:?}");
            assert_eq!(refused.get_details_error_info().unwrap().reason, reason, "{request:?}");
        }
        let too_old = v1::GetStatsRequest { start_time: at(-26 * 3_600), resolution: minutes, ..of("") };
        let refused = client.get_stats(too_old).await.unwrap_err();
        assert_eq!(
            refused.message(),
            "start_time: figures by the minute are kept for 25 hours; ask for the resolution HOUR"
        );
        server.stop().await.unwrap();
    }

    /// The figures of a node would be seen by nobody else until it stops, or a crash would lose hours of them.
    async fn what_is_counted_is_written_every_ten_seconds(database: &Database) {
        let clock = Clock::manual(START);
        let (server, client) = start_with(clocked(database, &clock)).await;
        publish(&mut client.clone(), "user.created", "{}").await;
        until_counted(&client, [1, 0, 0, 0, 0]).await;
        clock.advance(Duration::from_secs(10));
        // A minute and an hour.
        until("it is written", async || published(database).await == [1, 1]).await;
        server.stop().await.unwrap();
    }
}
