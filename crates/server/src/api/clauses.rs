//! The clauses of a webhook beside its event types: read from requests, and explained in answers.

use std::collections::{BTreeMap, HashMap};

use hookwright_core::Profile;
use hookwright_proto::v1;
use hookwright_store::WebhookId;

use super::error::{Reason, Violation};
use crate::{
    directory::LiveWebhook,
    matching::{AttributeRule, AttributesError, Filter, Subject, Verdict},
};

/// Longest value of an event that an explanation repeats, in bytes.
const SHOWN_BYTES_MAX: usize = 256;

pub(super) fn filter(field: &str, text: &str) -> Result<Option<String>, Violation> {
    if text.is_empty() {
        return Ok(None);
    }
    match Filter::compile(text) {
        Ok(_) => Ok(Some(text.to_owned())),
        Err(error) => Err(Violation::new(field, Reason::InvalidFilter, error.to_string())),
    }
}

pub(super) fn attributes(
    field: &str,
    attributes: HashMap<String, v1::AttributeValues>,
    profile: &Profile,
) -> Result<BTreeMap<String, Vec<String>>, Violation> {
    let attributes = attributes
        .into_iter()
        .map(|(name, values)| (name, values.values))
        .collect();
    match AttributeRule::build(&attributes, profile) {
        Ok(_) => Ok(attributes),
        Err(error) => {
            let description = error.to_string();
            let (field, reason) = match error {
                AttributesError::Unknown { name, .. } => {
                    (format!("{field}[{name:?}]"), Reason::UnknownAttribute)
                }
                AttributesError::Values { name } => (format!("{field}[{name:?}]"), Reason::InvalidAttribute),
                AttributesError::TooMany => (field.to_owned(), Reason::TooManyValues),
            };
            Err(Violation::new(field, reason, description))
        }
    }
}

/// Why a webhook gets an event or not.
pub(super) fn explain(live: &LiveWebhook, subject: &Subject<'_>, event_type: &str) -> v1::MatchExplanation {
    let mut explanation = v1::MatchExplanation {
        webhook_id: live.id().to_string(),
        webhook_name: live.webhook.settings.name.clone(),
        event_type_pattern: live.matcher.pattern(event_type).unwrap_or_default().to_owned(),
        ..v1::MatchExplanation::default()
    };
    let (reason, text) = match live.matcher.verdict(subject) {
        Verdict::Matched if live.is_stopped() => (
            v1::MatchReason::Held,
            format!(
                "{} fits, and so does everything else; the webhook is stopped, so the delivery is held",
                explanation.event_type_pattern
            ),
        ),
        Verdict::Matched => (
            v1::MatchReason::Matched,
            format!(
                "{} fits, and so does everything else",
                explanation.event_type_pattern
            ),
        ),
        Verdict::TypeNotSubscribed => (
            v1::MatchReason::TypeNotSubscribed,
            format!("{event_type} is not among its event types"),
        ),
        Verdict::AttributeMissing { name } => {
            name.clone_into(&mut explanation.attribute);
            (
                v1::MatchReason::AttributeMissing,
                format!("the event has no {name}"),
            )
        }
        Verdict::AttributeDiffers { name, value } => {
            name.clone_into(&mut explanation.attribute);
            shown(&value).clone_into(&mut explanation.attribute_value);
            (
                v1::MatchReason::AttributeDiffers,
                format!("{name}: {:?} is not in its list", explanation.attribute_value),
            )
        }
        Verdict::FilterFalse => (v1::MatchReason::FilterFalse, String::from("its filter is false")),
        Verdict::FilterFailed { problem } => (
            v1::MatchReason::FilterFailed,
            format!("its filter cannot be worked out: {problem}"),
        ),
    };
    explanation.matched = matches!(reason, v1::MatchReason::Matched | v1::MatchReason::Held);
    explanation.reason = reason.into();
    explanation.text = text;
    explanation
}

/// For a webhook that this node cannot deliver to.
pub(super) fn unusable(webhook: WebhookId) -> v1::MatchExplanation {
    v1::MatchExplanation {
        webhook_id: webhook.to_string(),
        reason: v1::MatchReason::Unusable.into(),
        text: String::from("this node cannot deliver to it; its log says why"),
        ..v1::MatchExplanation::default()
    }
}

fn shown(value: &str) -> &str {
    &value[..value.floor_char_boundary(SHOWN_BYTES_MAX)]
}
