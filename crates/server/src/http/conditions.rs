//! Requests that depend on what is there: `If-Match` and `If-None-Match` (RFC 9110, section 13).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use prost_reflect::DynamicMessage;

/// What `If-Match` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Whatever is there.
    Anything,
    /// This version.
    Version(String),
    /// One of several, or what cannot be read.
    Unclear,
}

/// What must still be there for the request to be carried out.
pub(super) fn if_match(headers: &HeaderMap) -> Wanted {
    let tags = tags(headers, &header::IF_MATCH);
    match tags.as_deref() {
        Some([]) => Wanted::Anything,
        Some([tag]) if tag == "*" => Wanted::Anything,
        Some([tag]) => Wanted::Version(opaque(tag).to_owned()),
        None | Some(_) => Wanted::Unclear,
    }
}

/// Whether the client has this version already.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = tags(headers, &header::IF_NONE_MATCH).unwrap_or_default();
    tags.iter()
        .any(|tag| tag == "*" || opaque(tag.strip_prefix("W/").unwrap_or(tag)) == etag)
}

/// The etag of a resource that has one.
pub(super) fn etag_of(message: &DynamicMessage) -> Option<String> {
    let etag = message.get_field_by_name("etag")?;
    etag.as_str().filter(|etag| !etag.is_empty()).map(str::to_owned)
}

pub(super) fn header_value(etag: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{etag}\"")).ok()
}

/// Without its quotes. A weak tag keeps them, and is so never the same as a strong one.
fn opaque(tag: &str) -> &str {
    let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(tag)
}

/// Our tags have no commas, so whatever has one is another's.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let parts = value.to_str().ok()?.split(',').map(str::trim);
        tags.extend(parts.filter(|part| !part.is_empty()).map(str::to_owned));
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_weak_tag_is_never_a_version() {
        // A weak tag says that something like it was there, and a change based on that would be lost or lose another one.
        let wanted = |value| if_match(&sent(header::IF_MATCH, value));
        assert_eq!(wanted("\"abc\""), Wanted::Version("abc".into()));
        assert_eq!(wanted("W/\"abc\""), Wanted::Version("W/\"abc\"".into()));
        assert_eq!(wanted("*"), Wanted::Anything);
        assert_eq!(wanted("\"a\", \"b\""), Wanted::Unclear);
        assert_eq!(if_match(&HeaderMap::new()), Wanted::Anything);
    }

    #[test]
    fn what_a_client_has_is_found_among_others() {
        let is_known = |value| is_known(&sent(header::IF_NONE_MATCH, value), "b");
        assert!(is_known("\"a\", W/\"b\""));
        assert!(is_known("*"));
        assert!(!is_known("\"a\""));
    }
}
