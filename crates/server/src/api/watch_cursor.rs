//! Cursors: a place in the journal, and of which watcher it is.

use hookwright_store::{Place, TenantId};
use sha2::{Digest as _, Sha256};

use super::error::{Reason, Violation};

/// Tells cursors of one tenant and filter from those of another one, so that a mix-up is an error and not a gap. It protects
/// nothing: a place says when something happened, not what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check(String);

impl Check {
    /// `parts`: the filter. Stays as it is for as long as cursors are kept, which is longer than a process lives.
    pub(super) fn of<'a>(tenant: TenantId, parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new_with_prefix(format!("watch {tenant:?}"));
        for part in parts {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let mut start = [0; 8];
        start.copy_from_slice(&hash.finalize()[..8]);
        Self(format!("{:016x}", u64::from_be_bytes(start)))
    }
}

pub(super) fn write(check: &Check, place: Place) -> String {
    format!("{place}.{}", check.0)
}

/// None when it is empty.
pub(super) fn read(check: &Check, cursor: &str) -> Result<Option<Place>, Violation> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let place = match cursor.split_once('.') {
        Some((place, written)) if written == check.0 => place.parse().ok(),
        _ => None,
    };
    place.map(Some).ok_or_else(|| {
        Violation::new(
            "cursor",
            Reason::InvalidCursor,
            "not a cursor of this stream; pass that of an earlier answer, with the same webhook, types and states",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_watcher_only() {
        // Somebody would go on with another filter, and believe that nothing is missing.
        let check = Check::of(TenantId::DEFAULT, ["whk", "a.*", ""]);
        let place: Place = "41-7".parse().unwrap();
        let cursor = write(&check, place);
        // Cursors outlive the process that wrote them.
        assert_eq!(cursor, "41-7.3ca416cc93e06e36");
        assert_eq!(read(&check, &cursor), Ok(Some(place)));
        assert_eq!(read(&check, ""), Ok(None));
        for other in [["whk", "a.", "*"], ["", "a.*", ""], ["whka", ".*", ""]] {
            assert!(read(&Check::of(TenantId::DEFAULT, other), &cursor).is_err());
        }
        for bad in ["x", "41-7", &cursor[1..cursor.len() - 1], "-1-0.x", "41-7.", "."] {
            assert!(read(&check, bad).is_err(), "{bad}");
        }
    }
}
