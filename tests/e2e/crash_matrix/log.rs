//! What the store says, read past the service.

use std::collections::{HashMap, HashSet};

use hookwright_store::StoreAddress;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use super::publishers::uses_keys;

/// An event as its publisher named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub(super) struct Name {
    pub(super) publisher: u32,
    pub(super) number: u32,
}

/// An event and a webhook, in hexadecimal digits.
type Delivery = (String, String);

const DELIVERED: i64 = 0;
const RETRY: i64 = 1;
const DEAD: i64 = 2;

enum Connection {
    Postgresql(PgConnection),
    Sqlite(SqliteConnection),
}

pub(super) struct Log {
    connection: Connection,
}

/// What became of everything.
pub(super) struct Account {
    /// The events that publishers published, in hexadecimal digits.
    events: HashMap<Name, Vec<String>>,
    /// Each with its attempts in order: their numbers and verdicts.
    attempts: HashMap<Delivery, Vec<(i64, i64)>>,
    /// The attempts after which a replay began.
    replayed: HashSet<(Delivery, i64)>,
}

/// Rows of a statement. What the stores write differently stands in braces.
macro_rules! fetch_all {
    ($log:expr, $sql:expr) => {
        match &mut $log.connection {
            Connection::Postgresql(connection) => {
                let sql = $sql
                    .replace("{event}", "encode(uuid_send(event_id), 'hex')")
                    .replace("{webhook}", "encode(uuid_send(webhook_id), 'hex')")
                    .replace("{id}", "encode(uuid_send(id), 'hex')")
                    .replace("{destinations}", "cardinality(webhook_ids)")
                    .replace("{payload}", "convert_from(payload, 'UTF8')");
                sqlx::query_as(AssertSqlSafe(sql)).fetch_all(connection).await
            }
            Connection::Sqlite(connection) => {
                let sql = $sql
                    .replace("{event}", "lower(hex(event_id))")
                    .replace("{webhook}", "lower(hex(webhook_id))")
                    .replace("{id}", "lower(hex(id))")
                    .replace("{destinations}", "length(webhook_ids) / 16")
                    .replace("{payload}", "cast(payload as text)");
                sqlx::query_as(AssertSqlSafe(sql)).fetch_all(connection).await
            }
        }
    };
}

impl Log {
    pub(super) async fn open(address: &StoreAddress) -> Self {
        let connection = match address {
            StoreAddress::Postgres(url) => Connection::Postgresql(PgConnection::connect(url).await.unwrap()),
            StoreAddress::Sqlite(path) => {
                let url = format!("sqlite:{}?mode=ro", path.display());
                Connection::Sqlite(SqliteConnection::connect(&url).await.unwrap())
            }
        };
        Self { connection }
    }

    /// Nodes that have a row.
    pub(super) async fn nodes(&mut self) -> usize {
        let rows: Vec<(i64,)> = fetch_all!(self, "select incarnation from node".to_owned()).unwrap();
        rows.len()
    }

    /// Whether every delivery has ended, and whatever was to be told or replayed was.
    pub(super) async fn is_settled(&mut self) -> bool {
        let rows: Vec<(i64, i64)> = fetch_all!(
            self,
            "select cast((select coalesce(sum({destinations}), 0) from event) as bigint)
                  - (select count(*) from (select distinct webhook_id, event_id from attempt
                                           where verdict in (0, 2)) ended),
                    (select count(*) from retry) + (select count(*) from notice)
                  + (select count(*) from replay where state = 0)"
                .to_owned()
        )
        .unwrap();
        rows == [(0, 0)]
    }

    /// What has not come to its end, for whoever has to find out why.
    pub(super) async fn left_over(&mut self) -> String {
        let rows: Vec<(i64, i64, i64, i64)> = fetch_all!(
            self,
            "select cast((select coalesce(sum({destinations}), 0) from event) as bigint)
                  - (select count(*) from (select distinct webhook_id, event_id from attempt
                                           where verdict in (0, 2)) ended),
                    (select count(*) from retry), (select count(*) from notice),
                    (select count(*) from replay where state = 0)"
                .to_owned()
        )
        .unwrap();
        let unattempted: Vec<(String, i64)> = fetch_all!(
            self,
            "select {id}, owner from event
            where not exists (select 1 from attempt where attempt.event_id = event.id)
              and not exists (select 1 from retry where retry.event_id = event.id)
              and {destinations} > 0"
                .to_owned()
        )
        .unwrap();
        format!(
            "(deliveries without an end, retry rows, notices, replays) are {rows:?}; of nobody, with their owners: \
             {unattempted:?}"
        )
    }

    pub(super) async fn account(&mut self) -> Account {
        let rows: Vec<(String, String)> = fetch_all!(
            self,
            "select {id}, {payload} from event where type not like 'hookwright.%'".to_owned()
        )
        .unwrap();
        let mut events: HashMap<Name, Vec<String>> = HashMap::new();
        for (event, payload) in rows {
            let name = serde_json::from_str(&payload).unwrap();
            events.entry(name).or_default().push(event);
        }
        let rows: Vec<(String, String, i64, i64)> = fetch_all!(
            self,
            "select {event}, {webhook}, cast(number as bigint), cast(verdict as bigint)
            from attempt
            order by event_id, webhook_id, number"
                .to_owned()
        )
        .unwrap();
        let mut attempts: HashMap<Delivery, Vec<(i64, i64)>> = HashMap::new();
        for (event, webhook, number, verdict) in rows {
            attempts
                .entry((event, webhook))
                .or_default()
                .push((number, verdict));
        }
        let rows: Vec<(String, String, i64)> = fetch_all!(
            self,
            "select {event}, {webhook}, cast(after as bigint) from replayed".to_owned()
        )
        .unwrap();
        let replayed = rows
            .into_iter()
            .map(|(event, webhook, after)| ((event, webhook), after))
            .collect();
        Account {
            events,
            attempts,
            replayed,
        }
    }
}

impl Account {
    /// Deliveries of an event that were given up.
    pub(super) fn dead(&self, name: Name) -> usize {
        let Some(events) = self.events.get(&name) else {
            return 0;
        };
        self.attempts
            .iter()
            .filter(|((event, _), attempts)| {
                events.contains(event) && attempts.last().is_some_and(|(_, verdict)| *verdict == DEAD)
            })
            .count()
    }

    /// Attempts with which a delivery was given up; each is told.
    pub(super) fn dead_attempts(&self) -> usize {
        let attempts = self.attempts.values().flatten();
        attempts.filter(|(_, verdict)| *verdict == DEAD).count()
    }

    /// Every delivery has one history, whoever wrote it: numbers without gaps, and nothing after its end but what a replay
    /// asked for.
    pub(super) fn check_histories(&self) {
        for (delivery, attempts) in &self.attempts {
            for (wanted, (number, verdict)) in (1..).zip(attempts) {
                assert_eq!(*number, wanted, "{delivery:?}: {attempts:?}");
                let is_last = attempts.last() == Some(&(*number, *verdict));
                let goes_on = *verdict == RETRY || self.replayed.contains(&(delivery.clone(), *number));
                let ends = *verdict == DELIVERED || *verdict == DEAD;
                assert!(
                    if is_last { ends } else { goes_on },
                    "{delivery:?} was ended twice, or is not over: {attempts:?}"
                );
            }
        }
    }

    /// An idempotency key stands for one event, however often it was used.
    pub(super) fn check_keys(&self) {
        for (name, events) in &self.events {
            assert!(
                events.len() == 1 || !uses_keys(name.publisher),
                "{name:?} was stored {} times",
                events.len()
            );
        }
    }

    pub(super) fn has(&self, name: Name) -> bool {
        self.events.contains_key(&name)
    }
}
