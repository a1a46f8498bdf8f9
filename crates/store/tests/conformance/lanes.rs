//! Lanes: how nodes share what is due. One node has all of them, several have equal shares, and they move without a row
//! being claimed twice.

use std::{collections::HashSet, time::Duration};

use hookwright_store::{DeliveryId, DeliveryState, End, Lane, Next, Origin, Upcoming, Want};

use crate::harness::{Harness, LEASE, Process, START, Tenant, attempted, eventually, spread_lanes};

conformance! {
    both:
    each_due_delivery_goes_to_exactly_one_node,
    a_node_that_leaves_hands_over_at_once;
    postgres:
    lanes_are_shared_equally_when_nodes_join_and_leave,
    a_lane_moves_only_when_nothing_of_it_is_in_memory,
    a_lane_does_not_wait_for_attempts_that_are_parked,
    nodes_that_heartbeat_at_once_never_share_a_lane,
}

/// Tenants enough that every node of four gets some.
async fn tenants(process: &Process, count: usize) -> Vec<Tenant> {
    let mut tenants = Vec::new();
    for number in 0..count {
        tenants.push(process.tenant(&format!("tenant {number}"), 2).await);
    }
    tenants
}

async fn publish_cold(process: &Process, tenants: &[Tenant], each: usize) -> Vec<DeliveryId> {
    let mut callers = tokio::task::JoinSet::new();
    for tenant in tenants {
        for _ in 0..each {
            let (publisher, tenant) = (process.publisher.clone(), tenant.clone());
            callers.spawn(async move {
                let event = tenant.event(&[], &tenant.webhooks);
                tenant.deliveries(publisher.publish(event).await.unwrap().event)
            });
        }
    }
    let mut all = callers.join_all().await.concat();
    all.sort();
    all
}

async fn each_due_delivery_goes_to_exactly_one_node(harness: Harness) {
    // Receivers would get deliveries from several nodes, or from none.
    let processes = harness.processes(4).await;
    let tenants = tenants(&processes[0], 24).await;
    let published = publish_cold(&processes[0], &tenants, 5).await;
    let mut claimed = Vec::new();
    let mut busy = 0;
    for process in &processes {
        let mut own = HashSet::new();
        loop {
            let ids = process.claim_ids(2).await;
            if ids.is_empty() {
                break;
            }
            own.extend(ids);
        }
        busy += usize::from(!own.is_empty());
        claimed.extend(own);
    }
    assert_eq!(busy, processes.len(), "every node has a part of the work");
    claimed.sort();
    assert_eq!(claimed, published);

    // Nodes take rows of their own lanes only, whatever they are asked for.
    for process in &processes {
        process.node.heartbeat().await.unwrap();
    }
    let foreign: Vec<Upcoming> = processes[0].node.upcoming().await.unwrap();
    let wants: Vec<Want> = foreign
        .iter()
        .map(|row| Want {
            lane: row.lane,
            webhook: row.webhook,
            limit: 1_000,
        })
        .collect();
    for process in &processes {
        assert!(process.node.claim(&wants).await.unwrap().is_empty());
    }
}

async fn a_node_that_leaves_hands_over_at_once(harness: Harness) {
    // Every restart would hold deliveries up for as long as a lease lasts.
    let mut processes = harness.processes(2).await;
    let mut leaving = processes.remove(0);
    let tenant = leaving.tenant("shop", 2).await;
    let (hot, cold) = tenant.webhooks.split_at(1);
    let event = leaving.publish(tenant.event(hot, cold)).await.unwrap().event;
    leaving.handed_over().await;
    let settled = leaving.publish_one(&tenant).await;
    leaving
        .finish(&tenant, settled, 1, Origin::Publish, attempted(Next::Delivered))
        .await;
    let claimed = leaving.claim(10).await.len();
    leaving.leave().await;

    // The clock has not moved.
    let heir = match processes.pop() {
        Some(other) => other,
        None => harness.process().await,
    };
    spread_lanes(std::slice::from_ref(&heir)).await;
    assert_eq!(heir.node.heartbeat().await.unwrap().lanes, Lane::COUNT);
    assert_eq!(
        heir.claim_ids(10).await,
        tenant.deliveries(event),
        "{claimed} of them were claimed before"
    );
}

async fn lanes_are_shared_equally_when_nodes_join_and_leave(harness: Harness) {
    // A new node would have nothing to do, or the work of one that left would be done by nobody.
    let lanes = async |processes: &[Process]| {
        spread_lanes(processes).await;
        let mut counts = Vec::new();
        for process in processes {
            let heartbeat = process.node.heartbeat().await.unwrap();
            assert_eq!(heartbeat.nodes, processes.len());
            counts.push(heartbeat.lanes);
        }
        counts.sort_unstable();
        counts
    };
    let mut processes = vec![harness.process().await];
    assert_eq!(lanes(&processes).await, [64]);
    processes.push(harness.process().await);
    assert_eq!(lanes(&processes).await, [32, 32]);
    processes.push(harness.process().await);
    assert_eq!(lanes(&processes).await, [20, 22, 22]);
    processes.push(harness.process().await);
    assert_eq!(lanes(&processes).await, [16, 16, 16, 16]);
    processes.remove(1).leave().await;
    assert_eq!(lanes(&processes).await, [20, 22, 22]);

    // A crash is noticed when the lease has run out.
    drop(processes.remove(0));
    let survivors = &processes[..];
    harness.clock.advance(LEASE / 2);
    for process in survivors {
        assert_eq!(process.node.heartbeat().await.unwrap().nodes, 3);
    }
    harness.clock.advance(LEASE / 2 + Duration::from_micros(1));
    assert_eq!(lanes(survivors).await, [32, 32]);
}

async fn a_lane_moves_only_when_nothing_of_it_is_in_memory(harness: Harness) {
    // Each new node would repeat what the others are attempting just then.
    let first = harness.process().await;
    let tenants = tenants(&first, 24).await;
    let published = publish_cold(&first, &tenants, 1).await;
    assert_eq!(first.claim_ids(1).await, published);

    let processes = [first, harness.process().await];
    spread_lanes(&processes).await;
    for process in &processes {
        assert!(process.claim(10).await.is_empty(), "all of it is being attempted");
    }
    let of = |id: &DeliveryId| {
        tenants
            .iter()
            .find(|tenant| tenant.webhooks.contains(&id.webhook))
            .unwrap()
    };
    let now = harness.clock.now();
    for id in &published {
        processes[0]
            .finish(of(id), *id, 1, Origin::Retry, attempted(Next::Retry(now)))
            .await;
    }
    let mut claimed = Vec::new();
    let (mut of_first, mut of_second) = (0, 0);
    eventually("all of it is claimed again", async || {
        spread_lanes(&processes).await;
        let (a, b) = (processes[0].claim(10).await, processes[1].claim(10).await);
        (of_first, of_second) = (of_first + a.len(), of_second + b.len());
        claimed.extend(a.iter().chain(&b).map(|due| (due.id(), due.number)));
        (claimed.len() >= published.len()).then_some(())
    })
    .await;
    claimed.sort();
    assert_eq!(claimed, published.iter().map(|id| (*id, 2)).collect::<Vec<_>>());
    assert!(of_first > 0 && of_second > 0, "{of_first} and {of_second}");
}

async fn a_lane_does_not_wait_for_attempts_that_are_parked(harness: Harness) {
    // One slow receiver would hold up all deliveries of its lane for as long as an attempt may take.
    let mut first = harness.process().await;
    let tenants = tenants(&first, 24).await;
    let of = |id: &DeliveryId| {
        tenants
            .iter()
            .find(|tenant| tenant.webhooks.contains(&id.webhook))
            .unwrap()
    };
    let mut parked = publish_cold(&first, &tenants, 1).await;
    assert_eq!(first.claim_ids(1).await, parked);
    let from_retry = parked.len();
    for tenant in &tenants {
        parked.push(first.publish_one(tenant).await);
    }
    let later = START.plus(Duration::from_secs(40));
    for (number, id) in parked.iter().enumerate() {
        let origin = if number < from_retry {
            Origin::Retry
        } else {
            Origin::Publish
        };
        first.finish(of(id), *id, 1, origin, End::Parked(later)).await;
    }
    for id in &parked {
        first.until(of(id), *id, DeliveryState::Scheduled(later)).await;
    }
    let processes = [first, harness.process().await];
    eventually("the lanes move", async || {
        spread_lanes(&processes).await;
        (processes[1].node.lanes().await.len() == Lane::COUNT / 2).then_some(())
    })
    .await;
    for process in &processes {
        assert!(process.claim(10).await.is_empty(), "they are being attempted");
    }
    // Its attempts end, wherever their lanes are by then.
    for id in &parked {
        processes[0]
            .finish(of(id), *id, 1, Origin::Retry, attempted(Next::Delivered))
            .await;
    }
    for id in &parked {
        processes[0].until(of(id), *id, DeliveryState::Delivered).await;
    }
    harness.clock.advance(Duration::from_mins(1));
    for process in &processes {
        assert!(process.claim(10).await.is_empty(), "they were attempted");
    }
}

async fn nodes_that_heartbeat_at_once_never_share_a_lane(harness: Harness) {
    // Two nodes with one lane would attempt everything of it twice.
    let mut processes = harness.processes(4).await;
    let tenants = tenants(&processes[0], 24).await;
    let published = publish_cold(&processes[0], &tenants, 10).await;
    let mut claimed = Vec::new();
    let mut round = 0;
    eventually("all of it is claimed", async || {
        round += 1;
        if round % 3 == 0 {
            let joining = harness.process().await;
            processes.remove(0).leave().await;
            processes.push(joining);
        }
        let [a, b, c, d] = &processes[..] else {
            unreachable!()
        };
        let heartbeats = tokio::try_join!(
            a.node.heartbeat(),
            b.node.heartbeat(),
            c.node.heartbeat(),
            d.node.heartbeat()
        );
        heartbeats.unwrap();
        let (a, b, c, d) = tokio::join!(a.claim(1), b.claim(1), c.claim(1), d.claim(1));
        for (process, due) in processes.iter().zip([a, b, c, d]) {
            for due in due {
                let tenant = tenants
                    .iter()
                    .find(|tenant| tenant.id == due.event.tenant)
                    .unwrap();
                process
                    .finish(tenant, due.id(), 1, Origin::Retry, attempted(Next::Delivered))
                    .await;
                claimed.push(due.id());
            }
        }
        (claimed.len() >= published.len()).then_some(())
    })
    .await;
    claimed.sort();
    assert_eq!(claimed, published, "each once");
}
