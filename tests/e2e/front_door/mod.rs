//! The port against those who mean ill, and those who only are slow. Whatever they do, others are served meanwhile.
//!
//! On one store: nothing here gets as far as that, but for the calls of good clients.

mod drain;
mod files;
mod floods;
mod raw;
mod served;
mod signals;
mod slow;
mod tls;

use std::time::Duration;

use hookwright_server::{Config, ListenerLimits};

use crate::harness::{Client, Database, config, publish};

/// A server whose clients have to be quick.
fn impatient(database: &Database) -> Config {
    let mut config = config(database.address());
    config.listener = ListenerLimits {
        handshake_timeout: Duration::from_millis(300),
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        write_timeout: Duration::from_millis(300),
        ..ListenerLimits::default()
    };
    config
}

/// What all of this is about.
async fn assert_served(client: &mut Client) {
    assert!(publish(client, "user.created", "{}").await.starts_with("evt_"));
}
