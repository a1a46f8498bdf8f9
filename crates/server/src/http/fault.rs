//! What is wrong with a request before its RPC sees it.

/// A part of a request that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// As gRPC names it, such as `webhook.url`; empty when it is the whole body.
    pub(super) field: String,
    /// Stable: `docs/errors.md`.
    pub(super) reason: &'static str,
    /// For people: what is wrong, and what to do.
    pub(super) description: String,
}

impl Fault {
    pub(super) fn new(field: &str, reason: &'static str, description: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            reason,
            description: description.into(),
        }
    }
}

/// The one that was perhaps meant.
pub(super) fn nearest<'a>(text: &str, known: &'a [String]) -> Option<&'a String> {
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(text, known), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}
