//! Figures: what is counted once is told once, by whoever is asked, and kept as long as promised.

use std::{collections::BTreeMap, time::Duration};

use hookwright_store::{
    AttemptEnd, Counts, End, Granularity, HoldPolicy, Next, Origin, Outcome, Retention, Stop, StopCause,
    Store, TenantId, Timestamp, WebhookId,
};

use crate::harness::{DAY, Harness, Process, START, Tenant, eventually};

conformance! {
    both:
    what_is_counted_is_told_before_it_is_written_and_after,
    what_is_written_is_added_to_what_was_there,
    a_tenants_figures_are_those_of_its_webhooks_and_of_nobody_else,
    what_could_not_be_stored_is_not_counted,
    deliveries_that_are_given_up_unattempted_are_dead_in_the_figures_too,
    minutes_and_hours_are_kept_as_long_as_promised;
    postgres:
    two_nodes_that_write_the_same_rows_add_up_and_do_not_lock_each_other_out,
    a_write_that_fails_is_made_up_for
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Published, attempts, failed, delivered, dead.
type Figures = [u64; 5];

fn figures(counts: &Counts) -> Figures {
    let has_durations = counts.durations.percentile(500).is_some();
    assert_eq!(has_durations, counts.attempts > 0, "{counts:?}");
    [
        counts.published,
        counts.attempts,
        counts.failed_attempts,
        counts.delivered,
        counts.dead,
    ]
}

async fn told(
    store: &Store,
    tenant: TenantId,
    webhook: Option<WebhookId>,
    granularity: Granularity,
) -> BTreeMap<Timestamp, Figures> {
    let from = granularity.start_of(START.minus(DAY));
    let until = granularity.start_of(START.plus(200 * DAY));
    let counted = store
        .stats(tenant, webhook, granularity, from, until)
        .await
        .unwrap();
    counted
        .iter()
        .map(|(start, counts)| (*start, figures(counts)))
        .collect()
}

/// By the minute.
async fn minutes(store: &Store, tenant: &Tenant, webhook: Option<WebhookId>) -> Vec<(Timestamp, Figures)> {
    told(store, tenant.id, webhook, Granularity::Minute)
        .await
        .into_iter()
        .collect()
}

/// An attempt of now that took this long.
fn attempted(process: &Process, next: Next, millis: u64) -> End {
    let latency = Duration::from_millis(millis);
    let outcome = match next {
        Next::Delivered => Outcome::Accepted,
        Next::Retry(_) | Next::Dead | Next::Cancelled => Outcome::Rejected,
    };
    End::Attempted(AttemptEnd {
        outcome,
        http_status: Some(200),
        started_at: process.store.clock().now().minus(latency),
        latency,
        error: None,
        response: None,
        next,
    })
}

/// Publishes to the tenant's first webhook and reports this end.
async fn deliver(process: &mut Process, tenant: &Tenant, next: Next, millis: u64) {
    let id = process.publish_one(tenant).await;
    let end = attempted(process, next, millis);
    process.finish(tenant, id, 1, Origin::Publish, end).await;
}

/// Waits until so many attempts of the tenant are counted.
async fn until_counted(process: &Process, tenant: &Tenant, attempts: u64) {
    eventually("the attempts are counted", async || {
        let counted = minutes(&process.store, tenant, None).await;
        let sum: u64 = counted.iter().map(|(_, figures)| figures[1]).sum();
        (sum == attempts).then_some(())
    })
    .await;
}

async fn what_is_counted_is_told_before_it_is_written_and_after(harness: Harness) {
    // A chart would lag, lose what happens between two writes, or count it twice.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let far = START.plus(DAY);
    for (next, millis) in [
        (Next::Delivered, 10),
        (Next::Retry(far), 20),
        (Next::Dead, 3_000),
        (Next::Cancelled, 40),
    ] {
        deliver(&mut process, &tenant, next, millis).await;
    }
    // Three ends without an attempt: one is the end of a delivery.
    let without = [
        End::Released(far),
        End::Cancelled,
        End::GivenUp(String::from("it cannot be sent")),
    ];
    for end in without {
        let id = process.publish_one(&tenant).await;
        process.finish(&tenant, id, 1, Origin::Publish, end).await;
    }
    process
        .publish(tenant.event(&[], &tenant.webhooks))
        .await
        .unwrap();
    until_counted(&process, &tenant, 4).await;
    eventually("the delivery that was given up is counted", async || {
        let counted = minutes(&process.store, &tenant, None).await;
        (counted[0].1[4] == 2).then_some(())
    })
    .await;
    let [first, second] = tenant.webhooks[..] else {
        unreachable!("two")
    };
    for is_written in [false, true] {
        if is_written {
            // The webhooks' minute, the tenant's, and nothing the second time.
            assert_eq!(process.store.flush_stats().await.unwrap(), 3);
            assert_eq!(process.store.flush_stats().await.unwrap(), 0);
        }
        for granularity in [Granularity::Minute, Granularity::Hour] {
            let start = granularity.start_of(START);
            let expected = |figures: Figures| BTreeMap::from([(start, figures)]);
            let told = async |webhook| told(&process.store, tenant.id, webhook, granularity).await;
            assert_eq!(told(None).await, expected([8, 4, 3, 1, 2]));
            assert_eq!(told(Some(first)).await, expected([8, 4, 3, 1, 2]));
            assert_eq!(told(Some(second)).await, expected([1, 0, 0, 0, 0]));
        }
        let counted = process
            .store
            .stats(tenant.id, None, Granularity::Minute, START, START.plus(MINUTE))
            .await
            .unwrap();
        let durations = &counted[&START].durations;
        let percentile = |permille| durations.percentile(permille).unwrap().as_millis();
        assert!((15..=23).contains(&percentile(500)), "{}", percentile(500));
        assert!((2_896..=4_096).contains(&percentile(990)), "{}", percentile(990));
    }
    // The bounds of a span: the first minute is in it, the last one is not.
    for (from, until, found) in [
        (START, START.plus(MINUTE), 1),
        (START.minus(MINUTE), START, 0),
        (START.plus(MINUTE), START.plus(HOUR), 0),
    ] {
        let counted = process
            .store
            .stats(tenant.id, None, Granularity::Minute, from, until);
        assert_eq!(counted.await.unwrap().len(), found);
    }
}

async fn what_is_written_is_added_to_what_was_there(harness: Harness) {
    // Each write would hide the ones before it, or a restart everything.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    // Ever shorter and then longer, so that histograms of different lengths meet.
    for (round, millis) in [(1, 40), (2, 1), (3, 9_000)] {
        deliver(&mut process, &tenant, Next::Delivered, millis).await;
        until_counted(&process, &tenant, round).await;
        process.store.flush_stats().await.unwrap();
    }
    harness.clock.advance(MINUTE);
    deliver(&mut process, &tenant, Next::Dead, 5).await;
    until_counted(&process, &tenant, 4).await;
    process.store.flush_stats().await.unwrap();
    let written = [(START, [3, 3, 0, 3, 0]), (START.plus(MINUTE), [1, 1, 1, 0, 1])];
    assert_eq!(minutes(&process.store, &tenant, None).await, written);
    process.leave().await;

    let process = harness.process().await;
    assert_eq!(
        minutes(&process.store, &tenant, Some(tenant.webhooks[0])).await,
        written
    );
    let hours = told(&process.store, tenant.id, None, Granularity::Hour).await;
    assert_eq!(hours, BTreeMap::from([(START, [4, 4, 1, 3, 1])]));
    let counted = process
        .store
        .stats(tenant.id, None, Granularity::Minute, START, START.plus(MINUTE))
        .await
        .unwrap();
    let durations = &counted[&START].durations;
    let percentile = |permille| durations.percentile(permille).unwrap();
    assert_eq!(percentile(1), Duration::from_millis(1));
    assert!((Duration::from_millis(32)..Duration::from_millis(46)).contains(&percentile(500)));
    assert!(percentile(999) > Duration::from_secs(8));
}

async fn a_tenants_figures_are_those_of_its_webhooks_and_of_nobody_else(harness: Harness) {
    // A customer would see how much another one sends.
    let mut process = harness.process().await;
    let shop = process.tenant("shop", 2).await;
    let bank = process.tenant("bank", 1).await;
    let ids = process.publish_hot(&shop, &shop.webhooks).await;
    for id in &ids {
        let end = attempted(&process, Next::Delivered, 1);
        process.finish(&shop, *id, 1, Origin::Publish, end).await;
    }
    deliver(&mut process, &bank, Next::Dead, 1).await;
    until_counted(&process, &shop, 2).await;
    until_counted(&process, &bank, 1).await;
    for _ in 0..2 {
        let store = &process.store;
        assert_eq!(minutes(store, &shop, None).await, [(START, [1, 2, 0, 2, 0])]);
        for webhook in &shop.webhooks {
            let own = minutes(store, &shop, Some(*webhook)).await;
            assert_eq!(own, [(START, [1, 1, 0, 1, 0])]);
            assert_eq!(minutes(store, &bank, Some(*webhook)).await, []);
        }
        assert_eq!(minutes(store, &bank, None).await, [(START, [1, 1, 1, 0, 1])]);
        // An id that names no webhook, and in the table the tenant.
        let nil = "whk_00000000000000000000000000".parse().unwrap();
        assert_eq!(minutes(store, &shop, Some(nil)).await, []);
        store.flush_stats().await.unwrap();
    }
    // What a webhook that is deleted has done is still there.
    let gone = shop.webhooks[0];
    assert!(process.store.delete_webhook(shop.id, gone).await.unwrap());
    let own = minutes(&process.store, &shop, Some(gone)).await;
    assert_eq!(own, [(START, [1, 1, 0, 1, 0])]);
}

async fn what_could_not_be_stored_is_not_counted(harness: Harness) {
    // Figures would tell of events that nobody has accepted.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let stale = Tenant {
        version: tenant.version - 1,
        ..tenant.clone()
    };
    process
        .publish(stale.event(&tenant.webhooks, &[]))
        .await
        .unwrap_err();
    process.publish(tenant.keyed("once")).await.unwrap();
    assert!(process.publish(tenant.keyed("once")).await.unwrap().duplicate);
    assert_eq!(
        minutes(&process.store, &tenant, None).await,
        [(START, [1, 0, 0, 0, 0])]
    );
    process.all_handed_over();
}

async fn deliveries_that_are_given_up_unattempted_are_dead_in_the_figures_too(harness: Harness) {
    // A webhook that is stopped for too long would seem to lose nothing.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let webhook = tenant.webhooks[0];
    for _ in 0..3 {
        process.publish(tenant.event(&[], &[webhook])).await.unwrap();
    }
    let now = harness.clock.now();
    let stopped = process
        .store
        .change_webhook(tenant.id, webhook, |settings| {
            settings.stop = Some(Stop {
                cause: StopCause::Paused,
                since: now,
            });
            true
        })
        .await
        .unwrap()
        .unwrap();
    let policy = HoldPolicy {
        max_deliveries: 1,
        max_age: DAY,
    };
    assert_eq!(process.store.expire_held(&stopped, policy).await.unwrap(), 2);
    let counted = minutes(&process.store, &tenant, Some(webhook)).await;
    assert_eq!(counted, [(START, [3, 0, 0, 0, 2])]);
}

async fn minutes_and_hours_are_kept_as_long_as_promised(harness: Harness) {
    // A chart of yesterday would have holes, or the table would grow for ever.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 0).await;
    let publish = async || process.publish(tenant.event(&[], &[])).await.unwrap();
    publish().await;
    harness.clock.advance(30 * MINUTE);
    publish().await;
    process.store.flush_stats().await.unwrap();
    let left = async |granularity| {
        process.store.maintain(Retention::default()).await.unwrap();
        told(&process.store, tenant.id, None, granularity).await.len()
    };
    // A day and an hour are promised, and one minute more is there.
    harness.clock.advance(24 * HOUR + 30 * MINUTE);
    assert_eq!(left(Granularity::Minute).await, 2);
    harness.clock.advance(2 * MINUTE);
    assert_eq!(left(Granularity::Minute).await, 1);
    harness.clock.advance(HOUR);
    assert_eq!(left(Granularity::Minute).await, 0);
    assert_eq!(left(Granularity::Hour).await, 1);
    harness.clock.advance(88 * DAY + 22 * HOUR);
    assert_eq!(left(Granularity::Hour).await, 1);
    harness.clock.advance(2 * HOUR);
    assert_eq!(left(Granularity::Hour).await, 0);
}

async fn two_nodes_that_write_the_same_rows_add_up_and_do_not_lock_each_other_out(harness: Harness) {
    // Nodes would overwrite each other's figures, or one of them would lose its own to a deadlock.
    const ROUNDS: u64 = 20;
    let first = harness.process().await;
    let second = harness.process().await;
    let tenant = first.tenant("shop", 30).await;
    let publish = async |process: &Process| {
        for _ in 0..ROUNDS {
            process
                .publish(tenant.event(&[], &tenant.webhooks))
                .await
                .unwrap();
            process.store.flush_stats().await.unwrap();
        }
    };
    tokio::join!(publish(&first), publish(&second));
    for store in [&first.store, &second.store] {
        for webhook in [None, Some(tenant.webhooks[0]), Some(tenant.webhooks[29])] {
            let counted = minutes(store, &tenant, webhook).await;
            assert_eq!(counted, [(START, [2 * ROUNDS, 0, 0, 0, 0])]);
        }
    }
    // And they remove the same ones.
    harness.clock.advance(26 * HOUR);
    let (one, other) = tokio::join!(
        first.store.maintain(Retention::default()),
        second.store.maintain(Retention::default())
    );
    one.unwrap();
    other.unwrap();
    assert_eq!(minutes(&first.store, &tenant, None).await, []);
    drop((first, second));
    harness.assert_no_deadlocks().await;
}

async fn a_write_that_fails_is_made_up_for(harness: Harness) {
    // A moment without the table would be a hole in every chart.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut server = harness.server().await.unwrap();
    let mut rename = async |from: &'static str, to: &'static str| {
        let statement = sqlx::AssertSqlSafe(format!("alter table {from} rename to {to}"));
        sqlx::raw_sql(statement).execute(&mut server).await.unwrap();
    };
    let publish = async || {
        process
            .publish(tenant.event(&[], &tenant.webhooks))
            .await
            .unwrap()
    };
    publish().await;
    rename("stat", "lost").await;
    process.store.flush_stats().await.unwrap_err();
    publish().await;
    process.store.flush_stats().await.unwrap_err();
    rename("lost", "stat").await;
    assert_eq!(process.store.flush_stats().await.unwrap(), 2);
    let other = harness.open().await;
    assert_eq!(minutes(&other, &tenant, None).await, [(START, [2, 0, 0, 0, 0])]);
}
