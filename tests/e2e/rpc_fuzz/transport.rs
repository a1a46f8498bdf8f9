//! One run of bad frames and bad bytes against a server, which then serves as if nothing had been.

use super::{
    frames::{self, BadRequest, Connection},
    methods, panics, seeds, surroundings, wire,
};
use crate::harness::{self, Database};
use rand::{RngExt as _, seq::IndexedRandom as _};

/// How many requests share a connection, as far as it lets them.
const REQUESTS_OF_A_CONNECTION: usize = 20;

pub(super) async fn run(database: &Database, seed: u64, rounds: usize, threads: &str) {
    let (server, mut client) = harness::start_with(surroundings::hardened(database)).await;
    let address = server.local_addr();
    let mut random = seeds::random(seed);
    let methods = methods::all();
    for round in 0..rounds {
        let hint = || format!("round {round} of seed {seed}; {}", seeds::hint(seed));
        if random.random_range(0..4) == 0 {
            let bytes = wire::generate(&mut random);
            wire::send(address, &bytes).await;
        } else {
            let mut connection = Connection::open(address).await;
            for _ in 0..random.random_range(1..=REQUESTS_OF_A_CONNECTION) {
                let method = methods.choose(&mut random).unwrap();
                let bad = BadRequest::generate(&mut random, method, address);
                let (shown, allowed) = (format!("{bad:.300?}"), bad.allows());
                let Some(answer) = connection.send(bad).await else {
                    continue;
                };
                if let Err(problem) = frames::judge(&answer, allowed) {
                    panic!("{problem}\n{shown:.2000}\n{}", hint());
                }
                if matches!(answer, frames::Answer::Ended(_)) {
                    break;
                }
            }
        }
        let panics = panics::taken(threads);
        assert!(panics.is_empty(), "{panics:?}\n{}", hint());
    }
    assert_eq!(
        harness::publish(&mut client, "after.all", "{}")
            .await
            .split('_')
            .next(),
        Some("evt")
    );
    server.stop().await.unwrap();
}
