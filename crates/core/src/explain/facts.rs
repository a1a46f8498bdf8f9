//! What can be said about a request when nothing matches: sizes and shapes, never contents.

use std::fmt;

use serde::{Serialize, Serializer};

use super::MAX_HEADERS_LISTED;
use super::json_text::is_json;
use crate::header::{Encoding, HeaderName};
use crate::mac::sha256;
use crate::scheme::Scheme;
use crate::verifier::Request;

/// What a request looks like. Compare it with what the sender's log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Facts {
    /// Length of the body.
    pub body_bytes: usize,
    /// The first eight hex digits of the SHA-256 of the body: enough to compare, too few to recover anything from.
    pub body_sha256_prefix: String,
    /// What is remarkable about the body.
    pub notes: Vec<Note>,
    /// The length that the request claims, when it differs from that of the body: something changed the body.
    pub other_content_length: Option<u64>,
    /// The names of the headers that came, at most 64, escaped and cut.
    pub headers_seen: Vec<String>,
    /// The headers that the scheme reads.
    pub headers_expected: Vec<String>,
}

/// Something remarkable about a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Note {
    /// It is empty.
    Empty,
    /// It is JSON.
    Json,
    /// It is not JSON, or too large to tell.
    NotJson,
    /// It starts with a byte order mark.
    Bom,
    /// It has CRLF line breaks.
    Crlf,
    /// It ends with a line break.
    EndsWithNewline,
    /// It has characters that stand for undecodable bytes.
    ReplacementCharacters,
    /// The request has a `Content-Encoding`.
    ContentEncoding,
}

impl Note {
    /// The stable name, in snake case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Json => "json",
            Self::NotJson => "not_json",
            Self::Bom => "bom",
            Self::Crlf => "crlf",
            Self::EndsWithNewline => "ends_with_newline",
            Self::ReplacementCharacters => "replacement_characters",
            Self::ContentEncoding => "content_encoding",
        }
    }

    /// The same for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Empty => "empty; something may have read it before",
            Self::Json => "JSON",
            Self::NotJson => "not JSON",
            Self::Bom => "starts with a byte order mark",
            Self::Crlf => "has CRLF line breaks",
            Self::EndsWithNewline => "ends with a line break",
            Self::ReplacementCharacters => {
                "has replacement characters (U+FFFD): something read the bytes as text and lost some"
            }
            Self::ContentEncoding => {
                "came with a Content-Encoding; check whether something unpacked it, and what the sender signs"
            }
        }
    }

    fn all(request: &Request<'_>) -> Vec<Self> {
        let body = request.body;
        let text = str::from_utf8(body).ok();
        let is_json = body.len() <= super::MAX_BODY_BYTES && text.is_some_and(is_json);
        let is_encoded = |(name, value): &(&str, &[u8])| {
            name.eq_ignore_ascii_case("content-encoding") && *value != b"identity"
        };
        [
            (Self::Empty, body.is_empty()),
            (Self::Json, is_json),
            (Self::NotJson, !is_json && !body.is_empty()),
            (Self::Bom, body.starts_with(b"\xef\xbb\xbf")),
            (Self::Crlf, body.windows(2).any(|pair| pair == b"\r\n")),
            (Self::EndsWithNewline, body.ends_with(b"\n")),
            (
                Self::ReplacementCharacters,
                text.is_some_and(|text| text.contains('\u{fffd}')),
            ),
            (Self::ContentEncoding, request.headers.iter().any(is_encoded)),
        ]
        .into_iter()
        .filter_map(|(note, holds)| holds.then_some(note))
        .collect()
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl Facts {
    pub(super) fn new(scheme: &Scheme, request: &Request<'_>) -> Self {
        let body = request.body;
        let mut digest = String::with_capacity(8);
        Encoding::Hex.encode(sha256(body).as_bytes().get(..4).unwrap_or_default(), &mut digest);
        Self {
            body_bytes: body.len(),
            body_sha256_prefix: digest,
            notes: Note::all(request),
            other_content_length: content_length(request)
                .filter(|length| usize::try_from(*length) != Ok(body.len())),
            headers_seen: request
                .headers
                .iter()
                .take(MAX_HEADERS_LISTED)
                .map(|(name, _)| shown(name))
                .collect(),
            headers_expected: scheme.headers().map(HeaderName::to_string).collect(),
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "body: {} bytes, SHA-256 {}…",
            self.body_bytes, self.body_sha256_prefix
        )?;
        for note in &self.notes {
            writeln!(f, "body: {}", note.text())?;
        }
        if let Some(length) = self.other_content_length {
            writeln!(
                f,
                "body: Content-Length says {length} bytes, so this is not the body that was sent"
            )?;
        }
        writeln!(f, "headers expected: {}", self.headers_expected.join(", "))?;
        write!(f, "headers seen: {}", self.headers_seen.join(", "))
    }
}

/// A header name from a request, harmless to print.
pub(super) fn shown(name: &str) -> String {
    name.escape_debug().take(64).collect()
}

fn content_length(request: &Request<'_>) -> Option<u64> {
    let (_, value) = request
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    str::from_utf8(value).ok()?.parse().ok()
}
