//! Event types and the patterns that fit them: `vault.created`, `vault.*` and `*`.
//!
//! What the service says about itself goes to those that ask for it by name, not to customers who want "everything".

use std::collections::HashMap;

use crate::alerts::is_operational;

/// Which positions of a list want which types.
#[derive(Debug, Default)]
pub(super) struct TypeIndex {
    /// Those that want everything.
    every_type: Vec<usize>,
    exact: HashMap<String, Vec<usize>>,
    /// By what stands before the `*`, the dot included.
    prefixes: HashMap<String, Vec<usize>>,
}

impl TypeIndex {
    /// Adds a position that wants these patterns; none at all is everything.
    pub(super) fn add(&mut self, position: usize, patterns: &[String]) {
        let wants_everything = patterns.is_empty() || patterns.iter().any(|pattern| pattern == "*");
        if wants_everything {
            self.every_type.push(position);
        }
        for pattern in patterns {
            // "*" leaves nothing to the patterns beside it but what the service says of itself.
            if wants_everything && !is_operational(pattern) {
                continue;
            }
            let (key, positions) = match pattern.strip_suffix('*') {
                Some(prefix) => (prefix, &mut self.prefixes),
                None => (pattern.as_str(), &mut self.exact),
            };
            positions.entry(key.to_owned()).or_default().push(position);
        }
    }

    /// The positions that want this type, in ascending order, each once.
    pub(super) fn positions(&self, event_type: &str) -> Vec<usize> {
        let mut positions = if is_operational(event_type) {
            Vec::new()
        } else {
            self.every_type.clone()
        };
        positions.extend(self.exact.get(event_type).into_iter().flatten());
        if !self.prefixes.is_empty() {
            for (dot, _) in event_type.match_indices('.') {
                positions.extend(self.prefixes.get(&event_type[..=dot]).into_iter().flatten());
            }
        }
        positions.sort_unstable();
        positions.dedup();
        positions
    }
}

/// The pattern that fits this type, the most telling one when several do: the type itself, then the longest prefix.
pub(crate) fn fitting<'a>(patterns: &'a [String], event_type: &str) -> Option<&'a str> {
    if patterns.is_empty() {
        return (!is_operational(event_type)).then_some("*");
    }
    let fits = |pattern: &&String| match pattern.strip_suffix('*') {
        Some("") => !is_operational(event_type),
        Some(prefix) => event_type.starts_with(prefix),
        None => *pattern == event_type,
    };
    let rank = |pattern: &&String| (!pattern.ends_with('*'), pattern.len());
    patterns.iter().filter(fits).max_by_key(rank).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(ToString::to_string).collect()
    }

    fn index_of(webhooks: &[&[&str]]) -> TypeIndex {
        let mut index = TypeIndex::default();
        for (position, patterns) in webhooks.iter().enumerate() {
            index.add(position, &owned(patterns));
        }
        index
    }

    /// A dry run would say something else than what a publish does.
    fn agrees_with_fitting(index: &TypeIndex, webhooks: &[&[&str]], event_types: &[&str]) {
        for event_type in event_types {
            let fitting: Vec<usize> = (0..webhooks.len())
                .filter(|position| fitting(&owned(webhooks[*position]), event_type).is_some())
                .collect();
            assert_eq!(fitting, index.positions(event_type), "{event_type}");
        }
    }

    #[test]
    fn every_pattern_fits_what_it_says_and_each_position_is_named_once() {
        let webhooks: [&[&str]; 6] = [
            &["vault.created"],
            &["vault.*", "vault.created"],
            &["*"],
            &[],
            &["stream.*"],
            &["vault.data.*"],
        ];
        let index = index_of(&webhooks);
        assert_eq!(index.positions("vault.created"), [0, 1, 2, 3]);
        assert_eq!(index.positions("vault.data.updated"), [1, 2, 3, 5]);
        assert_eq!(
            index.positions("vault"),
            [2, 3],
            "vault.* is what stands below vault, not vault itself"
        );
        assert_eq!(index.positions("vaults.created"), [2, 3]);
        assert_eq!(index.positions("stream.data"), [2, 3, 4]);
        agrees_with_fitting(
            &index,
            &webhooks,
            &[
                "vault.created",
                "vault.data.updated",
                "vault",
                "vaults.created",
                "stream.data",
                "x",
            ],
        );
    }

    #[test]
    fn operational_events_go_only_to_those_that_asked_for_them() {
        let webhooks: [&[&str]; 6] = [
            &["*"],
            &[],
            &["*", "hookwright.*"],
            &["hookwright.delivery.dead"],
            &["hookwright.webhook.*"],
            &["hookwright"],
        ];
        let index = index_of(&webhooks);
        assert_eq!(index.positions("hookwright.delivery.dead"), [2, 3]);
        assert_eq!(index.positions("hookwright.webhook.disabled"), [2, 4]);
        assert_eq!(index.positions("hookwrights.x"), [0, 1, 2]);
        agrees_with_fitting(
            &index,
            &webhooks,
            &[
                "hookwright.delivery.dead",
                "hookwright.webhook.disabled",
                "hookwrights.x",
            ],
        );
    }

    #[test]
    fn the_most_telling_pattern_is_named() {
        let patterns = owned(&["*", "vault.*", "vault.data.*", "vault.created"]);
        assert_eq!(fitting(&patterns, "vault.created"), Some("vault.created"));
        assert_eq!(fitting(&patterns, "vault.data.updated"), Some("vault.data.*"));
        assert_eq!(fitting(&patterns, "user.created"), Some("*"));
        assert_eq!(fitting(&[], "user.created"), Some("*"));
        assert_eq!(fitting(&owned(&["vault.*"]), "vault"), None);
    }
}
