//! What simulations come across: a promise that nothing ever put to the test is worth little.

use std::{collections::BTreeMap, fmt};

use hookwright_store::{DeliveryState, Ordering};

use super::{
    history::{History, LifeEnd, PublishAnswer, RequestEnd},
    receiver::What,
    scenario::{Action, Scenario},
};

/// How often each thing happened, in any number of worlds.
#[derive(Clone, Debug, Default)]
pub(super) struct Census(BTreeMap<&'static str, usize>);

/// What has to happen at least once in a hundred worlds.
pub(super) const NEEDED: [&str; 22] = [
    "attempts after a retry",
    "attempts longer than five seconds",
    "cancellations",
    "crashes",
    "deliveries cancelled",
    "deliveries dead",
    "deliveries delivered",
    "deliveries held",
    "deliveries in order",
    "deletions",
    "pauses asked for by receivers",
    "pauses by owners",
    "publishes refused",
    "replays",
    "requests cut off",
    "requests refused",
    "requests timed out",
    "requests to webhooks with a rate",
    "restarts",
    "store: answers lost",
    "store: processes ended",
    "store: requests lost",
];

impl Census {
    pub(super) fn of(scenario: &Scenario, history: &History) -> Self {
        let mut census = Self::default();
        // The last one ends with the world.
        for life in history.lives.iter().rev().skip(1) {
            match life.end {
                Some((_, LifeEnd::Crashed)) => census.count("crashes"),
                Some((_, LifeEnd::Left)) | None => census.count("restarts"),
            }
        }
        for publish in &history.publishes {
            if publish.answer == Some(PublishAnswer::Refused) {
                census.count("publishes refused");
            }
        }
        for operation in &history.operations {
            match (&operation.action, operation.done_at) {
                (Action::Cancel(..), Some((_, true))) => census.count("cancellations"),
                (Action::Delete(_), Some((_, true))) => census.count("deletions"),
                (Action::Pause(_), Some((_, true))) => census.count("pauses by owners"),
                _ => {}
            }
        }
        for request in &history.requests {
            census.count("requests");
            match request.end {
                Some((_, RequestEnd::CutOff)) => census.count("requests cut off"),
                Some((_, RequestEnd::TimedOut)) => census.count("requests timed out"),
                Some((_, RequestEnd::Replied(What::Refused))) => census.count("requests refused"),
                Some((_, RequestEnd::Replied(What::Pause(..)))) => {
                    census.count("pauses asked for by receivers");
                }
                Some((_, RequestEnd::Replied(_))) | None => {}
            }
            if let Some((end, _)) = request.end
                && end.since(request.started_at).as_secs() >= 5
            {
                census.count("attempts longer than five seconds");
            }
            if scenario.webhooks[request.webhook].settings.rate_limit.is_some() {
                census.count("requests to webhooks with a rate");
            }
        }
        for delivery in &history.deliveries {
            census.count(match delivery.state {
                DeliveryState::Delivered => "deliveries delivered",
                DeliveryState::Dead => "deliveries dead",
                DeliveryState::Cancelled => "deliveries cancelled",
                DeliveryState::Held { .. } => "deliveries held",
                DeliveryState::Scheduled(_) | DeliveryState::Leased => "deliveries left over",
            });
            if delivery.replay.is_some() {
                census.count("replays");
            }
            if delivery.attempts.len() > 1 {
                census.count("attempts after a retry");
            }
            if scenario.webhooks[delivery.webhook].settings.ordering != Ordering::None {
                census.count("deliveries in order");
            }
        }
        for line in history.trace.iter().filter(|line| line.contains(" store: ")) {
            census.count("store: faults");
            for (end, name) in [
                ("(Unanswered)", "store: answers lost"),
                ("(Unheard)", "store: requests lost"),
                ("(EndBefore)", "store: processes ended"),
                ("(EndAfter)", "store: processes ended"),
            ] {
                if line.ends_with(end) || line.ends_with(&format!("{end})")) {
                    census.count(name);
                }
            }
        }
        census
    }

    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// What never happened.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let is_missing = |what: &&str| !self.0.contains_key(*what);
        NEEDED.into_iter().filter(is_missing).collect()
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.0 {
            writeln!(f, "{count:>8} {what}")?;
        }
        Ok(())
    }
}
