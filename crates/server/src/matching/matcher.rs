//! What one webhook asks of an event.

use std::borrow::Cow;

use hookwright_core::Profile;
use hookwright_store::WebhookSettings;

use super::{
    attribute::{AttributeRule, Found},
    filter::Filter,
    subject::Subject,
    types,
};

/// The clauses of a webhook, worked out once.
#[derive(Debug)]
pub(crate) struct Matcher {
    patterns: Vec<String>,
    attributes: Vec<AttributeRule>,
    filter: Option<Filter>,
}

/// Whether an event fits, and the clause that decided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// Every clause fits.
    Matched,
    /// No pattern fits the type.
    TypeNotSubscribed,
    /// The event has nothing in this attribute.
    AttributeMissing { name: &'a str },
    /// The event has another value there.
    AttributeDiffers { name: &'a str, value: Cow<'a, str> },
    /// The filter is false.
    FilterFalse,
    /// The filter could not be worked out.
    FilterFailed { problem: String },
}

impl Matcher {
    /// Works the clauses out. They were checked when they were set, so this fails when the profile has changed since.
    pub(crate) fn build(settings: &WebhookSettings, profile: &Profile) -> Result<Self, String> {
        let filter = settings.filter.as_deref().map(Filter::compile).transpose();
        Ok(Self {
            patterns: settings.event_types.clone(),
            attributes: AttributeRule::build(&settings.attributes, profile)
                .map_err(|error| format!("attributes: {error}"))?,
            filter: filter.map_err(|error| format!("filter: {error}"))?,
        })
    }

    pub(super) fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// The pattern that fits a type, if one does.
    pub(crate) fn pattern(&self, event_type: &str) -> Option<&str> {
        types::fitting(&self.patterns, event_type)
    }

    /// Whether a payload has to be read to decide.
    pub(super) fn reads_payload(&self) -> bool {
        !self.attributes.is_empty() || self.filter.is_some()
    }

    /// Looks at all clauses.
    pub(crate) fn verdict<'a>(&'a self, subject: &'a Subject<'_>) -> Verdict<'a> {
        match self.pattern(subject.event_type) {
            Some(_) => self.verdict_on_payload(subject),
            None => Verdict::TypeNotSubscribed,
        }
    }

    /// Looks at the clauses behind the type, which fits.
    pub(super) fn verdict_on_payload<'a>(&'a self, subject: &'a Subject<'_>) -> Verdict<'a> {
        if !self.reads_payload() {
            return Verdict::Matched;
        }
        let document = match subject.document() {
            Ok(document) => document,
            Err(problem) => {
                return Verdict::FilterFailed {
                    problem: format!("the payload cannot be read: {problem}"),
                };
            }
        };
        for rule in &self.attributes {
            match rule.look(&document.value) {
                Found::Fits(_) => {}
                Found::Differs(value) => {
                    return Verdict::AttributeDiffers {
                        name: rule.name(),
                        value,
                    };
                }
                Found::Nothing => return Verdict::AttributeMissing { name: rule.name() },
            }
        }
        let Some(filter) = &self.filter else {
            return Verdict::Matched;
        };
        match filter.evaluate(document.size, || subject.context(document)) {
            Ok(true) => Verdict::Matched,
            Ok(false) => Verdict::FilterFalse,
            Err(problem) => Verdict::FilterFailed { problem },
        }
    }
}
