//! Orders: how a webhook's deliveries wait for each other, and the key they go by.

use hookwright_proto::v1;
use hookwright_store::Ordering;

use super::error::{Reason, Violation};

const ORDERING_KEY_BYTES_MAX: usize = 255;

/// A webhook's setting; none when not given.
pub(super) fn read(field: &str, number: i32) -> Result<Ordering, Violation> {
    match v1::Ordering::try_from(number) {
        Ok(v1::Ordering::Unspecified | v1::Ordering::None) => Ok(Ordering::None),
        Ok(v1::Ordering::Webhook) => Ok(Ordering::Webhook),
        Ok(v1::Ordering::Key) => Ok(Ordering::Key),
        Err(_) => Err(Violation::new(
            field,
            Reason::UnknownOrdering,
            format!("no ordering has the number {number}; NONE, WEBHOOK and KEY are known"),
        )),
    }
}

pub(super) fn write(ordering: Ordering) -> v1::Ordering {
    match ordering {
        Ordering::None => v1::Ordering::None,
        Ordering::Webhook => v1::Ordering::Webhook,
        Ordering::Key => v1::Ordering::Key,
    }
}

/// The key of an event; `None` when it has none.
pub(super) fn key(field: &str, key: String) -> Result<Option<String>, Violation> {
    // PostgreSQL's text has no NUL.
    if key.len() > ORDERING_KEY_BYTES_MAX || key.chars().any(char::is_control) {
        return Err(Violation::new(
            field,
            Reason::InvalidOrderingKey,
            format!("at most {ORDERING_KEY_BYTES_MAX} bytes, no control characters"),
        ));
    }
    Ok(Some(key).filter(|key| !key.is_empty()))
}
