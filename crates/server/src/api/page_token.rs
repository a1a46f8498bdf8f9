//! Page tokens: where a list goes on, and of which list they are.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use super::error::{Reason, Violation};

/// Writes a token for the place of `id` in the list that `list` describes.
pub(super) fn write(list: &impl Hash, id: &impl ToString) -> String {
    format!("{}.{}", id.to_string(), check(list))
}

/// Reads a token of that list; none when it is empty.
pub(super) fn read<I: std::str::FromStr>(list: &impl Hash, token: &str) -> Result<Option<I>, Violation> {
    if token.is_empty() {
        return Ok(None);
    }
    let (id, written) = token.split_once('.').ok_or_else(refused)?;
    if written != check(list) {
        return Err(refused());
    }
    id.parse().map(Some).map_err(|_| refused())
}

fn refused() -> Violation {
    Violation::new(
        "page_token",
        Reason::InvalidPageToken,
        "not a token of this list; pass next_page_token of the page before, with the same filters",
    )
}

/// Writes a token for the place of a text.
pub(super) fn write_text(list: &impl Hash, text: &str) -> String {
    format!("{text}.{}", check(list))
}

/// Reads a token for the place of a text of this kind; none when it is empty.
pub(super) fn read_text(
    list: &impl Hash,
    token: &str,
    is_of_kind: impl Fn(&str) -> bool,
) -> Result<Option<String>, Violation> {
    // Texts can have full stops, so the check is what stands behind the last one.
    if token.is_empty() {
        return Ok(None);
    }
    match token.rsplit_once('.') {
        // Anybody can write the check, and a text with a NUL in it is none to PostgreSQL.
        Some((text, written)) if written == check(list) && is_of_kind(text) => Ok(Some(text.to_owned())),
        _ => Err(refused()),
    }
}

/// Tells a token of another list, so that a mix-up is an error and not a gap. It protects nothing.
fn check(list: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use hookwright_store::WebhookId;

    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_list_only() {
        let id: WebhookId = "whk_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let token = write(&("deliveries", 1), &id);
        assert_eq!(read::<WebhookId>(&("deliveries", 1), &token), Ok(Some(id)));
        assert!(read::<WebhookId>(&("deliveries", 2), &token).is_err());
        for bad in [
            "x",
            ".",
            "whk_01h455vb4pex5vsknk084sn02q",
            &token[1..],
            &format!("{token}0"),
        ] {
            assert!(read::<WebhookId>(&("deliveries", 1), bad).is_err(), "{bad}");
        }
        assert_eq!(read::<WebhookId>(&("deliveries", 1), ""), Ok(None));
    }

    #[test]
    fn a_token_for_a_text_holds_a_text_of_its_kind() {
        let is_of_kind = |text: &str| !text.contains('\0');
        let read = |token: &str| read_text(&"names", token, is_of_kind);
        assert_eq!(read(&write_text(&"names", "a.b")), Ok(Some(String::from("a.b"))));
        assert!(read(&write_text(&"names", "a\0b")).is_err());
        assert_eq!(read(""), Ok(None));
    }
}
