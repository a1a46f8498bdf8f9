//! A process that ends at every step at which it must be able to end.

use futures_util::future::join_all;
use hookwright_store::{FAIL_POINT_VARIABLE, FailPoint, Passed, StoreAddress};

use super::{bed::Bed, receivers::Kind, rounds, tally::Tally};
use crate::harness::Database;

/// Events that are published for each death.
const EVENTS: usize = 50;
/// How often as many again follow at most.
const LOADS_MAX: usize = 6;
/// How often a step is passed before the process ends there, one after the other in rounds.
const COUNTS: [u32; 6] = [1, 4, 2, 9, 6, 14];

/// Kills a node at each of these steps, one after the other on one store.
async fn kill_at(store: &StoreAddress, steps: &[(usize, FailPoint)]) -> Tally {
    let (bed, first) = Bed::set_up(store, &[]).await;
    bed.publishers.allow(EVENTS);
    bed.publishers.acknowledge(EVENTS / 2).await;
    bed.kill(first).await;
    for round in 0..rounds() {
        for (index, step) in steps {
            let count = match step.passed() {
                Passed::Often => COUNTS[(index + round) % COUNTS.len()],
                Passed::Seldom | Passed::SeldomAmongSeveral => 1,
            };
            bed.publishers.allow(EVENTS);
            let armed = format!("{}:{count}", step.name());
            if let Some(node) = bed.start(&[(FAIL_POINT_VARIABLE, &armed)]).await {
                bed.replay(&node).await;
                tokio::select! {
                    () = node.killed_itself(&armed) => {}
                    () = go_on(&bed) => {}
                }
            }
            bed.nobody_serves().await;
        }
    }
    let _last = bed.start(&[]).await.expect("it starts");
    bed.close().await
}

/// More to do for a node that is not dead yet, whenever it is done with what there was. For a while: the last steps need
/// time and no load.
async fn go_on(bed: &Bed) {
    for _ in 0..LOADS_MAX {
        bed.receivers.accept_of(Kind::Ordered, EVENTS / 4).await;
        bed.publishers.allow(EVENTS);
    }
    std::future::pending::<()>().await;
}

/// All steps that there are on this kind of store, on several of them at a time: much of it is waiting for leases to end.
pub(super) async fn kill_at_every_step(databases: &[Database]) -> Tally {
    let is_shared = matches!(databases[0].address(), StoreAddress::Postgres(_));
    let steps: Vec<(usize, FailPoint)> = FailPoint::ALL
        .iter()
        .copied()
        .filter(|step| is_shared || step.passed() != Passed::SeldomAmongSeveral)
        .enumerate()
        .collect();
    let chains = databases.iter().enumerate().map(|(chain, database)| {
        let steps: Vec<_> = steps
            .iter()
            .copied()
            .skip(chain)
            .step_by(databases.len())
            .collect();
        async move { kill_at(database.address(), &steps).await }
    });
    let mut total = Tally::default();
    for tally in join_all(chains).await {
        total.add(tally);
    }
    total
}
