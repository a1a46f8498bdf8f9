//! Notices: one for everything that is to be told, until it is told, whatever happens to the process.

use std::time::Duration;

use hookwright_store::{
    Digest, DisabledReason, Lane, News, Next, Node, Notice, Origin, StandingState, Stop, StopCause,
    Timestamp, WebhookSettings,
};

use crate::harness::{Harness, Process, START, Tenant, attempted};

conformance! {
    both:
    a_delivery_that_is_given_up_leaves_one_notice,
    what_succeeds_or_is_tried_again_leaves_none,
    a_change_of_standing_leaves_a_notice_and_other_changes_do_not,
    an_email_stays_the_same_until_it_is_sent,
    emails_of_a_webhook_keep_their_distance,
    a_webhook_recovers_once,
    nobody_is_told_about_a_webhook_that_is_gone,
}

const INTERVAL: Duration = Duration::from_mins(15);

async fn lanes(node: &Node) -> Vec<Lane> {
    node.lanes().await
}

async fn notices(process: &Process) -> Vec<Notice> {
    let lanes = lanes(&process.node).await;
    process.store.new_notices(&lanes, 100).await.unwrap()
}

/// Gives up a delivery and hands the notice on to an e-mail.
async fn fail(process: &mut Process, tenant: &Tenant) -> Notice {
    let delivery = process.publish_one(tenant).await;
    process
        .finish(tenant, delivery, 1, Origin::Publish, attempted(Next::Dead))
        .await;
    let notice = crate::harness::eventually("a notice", async || notices(process).await.pop()).await;
    process.store.notice_published(&notice, true, true).await.unwrap();
    notice
}

async fn due(process: &Process, before: Timestamp) -> Option<Digest> {
    let lanes = lanes(&process.node).await;
    let due = process.store.webhooks_to_mail(&lanes, before, 10).await.unwrap();
    let (tenant, webhook) = *due.first()?;
    process.store.digest(tenant, webhook, before).await.unwrap()
}

async fn a_delivery_that_is_given_up_leaves_one_notice(harness: Harness) {
    // The owner would not be told, or be told twice.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let delivery = process.publish_one(&tenant).await;
    // A second owner that reports the same attempt later writes nothing.
    for _ in 0..2 {
        process
            .finish(&tenant, delivery, 1, Origin::Publish, attempted(Next::Dead))
            .await;
        crate::harness::eventually("it is dead", async || {
            let state = process.state(&tenant, delivery).await;
            (state == hookwright_store::DeliveryState::Dead).then_some(())
        })
        .await;
    }
    process.until_written(&tenant).await;
    let mut process = harness.crash(process).await;
    let found: Vec<Notice> = notices(&process)
        .await
        .into_iter()
        .filter(|notice| {
            notice.news
                == News::DeliveryDead {
                    event: delivery.event,
                    number: 1,
                }
        })
        .collect();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].tenant, found[0].webhook), (tenant.id, delivery.webhook));
    assert_eq!(found[0].happened_at, START.plus(Duration::from_millis(12)));
    let all = notices(&process).await;
    for notice in &all {
        process.store.notice_published(notice, true, false).await.unwrap();
    }
    assert!(notices(&process).await.is_empty());
    assert!(due(&process, START).await.is_none(), "nobody asked for e-mail");
    process.until_written(&process.reread(tenant.id).await).await;
}

async fn what_succeeds_or_is_tried_again_leaves_none(harness: Harness) {
    // The hot path would pay for what hardly ever happens.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    for next in [
        Next::Delivered,
        Next::Retry(START.plus(INTERVAL)),
        Next::Cancelled,
    ] {
        let delivery = process.publish_one(&tenant).await;
        process
            .finish(&tenant, delivery, 1, Origin::Publish, attempted(next))
            .await;
    }
    let last = fail(&mut process, &tenant).await;
    assert!(matches!(last.news, News::DeliveryDead { .. }));
    assert!(notices(&process).await.is_empty(), "results are written in order");
}

async fn a_change_of_standing_leaves_a_notice_and_other_changes_do_not(harness: Harness) {
    // A webhook that is turned off would be found out by its silence.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let webhook = process
        .store
        .webhook(tenant.id, tenant.webhooks[0])
        .await
        .unwrap()
        .unwrap();
    for (name, active) in [("a", true), ("a", false), ("b", false), ("b", true)] {
        let settings = WebhookSettings {
            name: name.to_owned(),
            stop: (!active).then(|| Stop {
                cause: StopCause::Disabled(DisabledReason::Owner),
                since: harness.clock.now(),
            }),
            ..webhook.settings.clone()
        };
        process
            .store
            .update_webhook(tenant.id, webhook.id, &settings)
            .await
            .unwrap();
    }
    let states: Vec<StandingState> = notices(&process)
        .await
        .into_iter()
        .map(|notice| match notice.news {
            News::StandingChanged(standing) => standing.state,
            news => panic!("{news:?}"),
        })
        .collect();
    assert_eq!(states, [StandingState::Disabled, StandingState::Active]);
}

async fn an_email_stays_the_same_until_it_is_sent(harness: Harness) {
    // A crash between the mail server's word and ours would send another e-mail instead of the same one.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    for _ in 0..12 {
        fail(&mut process, &tenant).await;
    }
    let first = due(&process, START.minus(INTERVAL)).await.unwrap();
    assert_eq!((first.number, first.dead_count, first.newest.len()), (1, 12, 10));
    assert!(first.newest.is_sorted_by(|a, b| a.id > b.id));
    fail(&mut process, &tenant).await;
    let mut process = harness.crash(process).await;
    let again = due(&process, START.minus(INTERVAL)).await.unwrap();
    assert_eq!(again, first);
    process.store.digest_sent(&again).await.unwrap();
    process.store.digest_sent(&again).await.unwrap();
    assert!(due(&process, START.minus(INTERVAL)).await.is_none());
    let tenant = process.reread(tenant.id).await;
    fail(&mut process, &tenant).await;
    let second = due(&process, first.made_at).await.unwrap();
    assert_eq!((second.number, second.dead_count), (2, 2));
}

async fn emails_of_a_webhook_keep_their_distance(harness: Harness) {
    // A receiver that is down would fill its owner's mailbox.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    fail(&mut process, &tenant).await;
    let now = || harness.clock.now().minus(INTERVAL);
    let first = due(&process, now()).await.unwrap();
    process.store.digest_sent(&first).await.unwrap();
    fail(&mut process, &tenant).await;
    assert!(due(&process, now()).await.is_none());
    harness
        .clock
        .advance(INTERVAL.saturating_sub(Duration::from_micros(1)));
    assert!(due(&process, now()).await.is_none());
    harness.clock.advance(Duration::from_micros(1));
    assert_eq!(due(&process, now()).await.unwrap().number, 2);
}

async fn a_webhook_recovers_once(harness: Harness) {
    // People would go on looking for a fault that is over, or be told again and again that it is.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    fail(&mut process, &tenant).await;
    let all = lanes(&process.node).await;
    assert!(process.store.recoveries(&all, 10).await.unwrap().is_empty());
    let delivery = process.publish_one(&tenant).await;
    let hookwright_store::End::Attempted(mut end) = attempted(Next::Delivered) else {
        unreachable!("an attempt")
    };
    end.started_at = START.plus(Duration::from_secs(1));
    process
        .finish(
            &tenant,
            delivery,
            1,
            Origin::Publish,
            hookwright_store::End::Attempted(end),
        )
        .await;
    let recovery = crate::harness::eventually("it recovers", async || {
        process.store.recoveries(&all, 10).await.unwrap().pop()
    })
    .await;
    assert_eq!(recovery.recovered_at, START.plus(Duration::from_secs(1)));
    for _ in 0..2 {
        process.store.note_recovery(&recovery).await.unwrap();
    }
    let told = notices(&process).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].news, News::Recovered);
    assert!(process.store.recoveries(&all, 10).await.unwrap().is_empty());
}

async fn nobody_is_told_about_a_webhook_that_is_gone(harness: Harness) {
    // What is left of a deleted webhook would stand in the way of everything after it.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let notice = fail(&mut process, &tenant).await;
    assert!(
        process
            .store
            .delete_webhook(tenant.id, tenant.webhooks[0])
            .await
            .unwrap()
    );
    assert!(due(&process, START).await.is_none());
    process.store.notice_published(&notice, true, true).await.unwrap();
    assert!(due(&process, START).await.is_none());
}
