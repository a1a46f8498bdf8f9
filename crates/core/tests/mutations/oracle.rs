//! What a changed request deserves, without any cryptography.
//!
//! The unchanged request verifies. So a changed one verifies exactly when everything that is signed still says the
//! same and one of the signatures that were good is still among the signatures. That can be told by reading, and it
//! makes the rule hold for every algorithm.

use std::collections::BTreeSet;

use hookwright_core::{MAX_HEADER_BYTES, MAX_SIGNATURE_ITEMS};

use crate::description::{Description, Role};
use crate::vector::Case;

/// The verdict that a request deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    Ok,
    /// Refused with this code.
    Code(&'static str),
    /// Refused with one of these codes.
    OneOf(&'static [&'static str]),
}

impl Expect {
    pub(crate) fn accepts(self, verdict: Result<usize, &'static str>) -> bool {
        match (self, verdict) {
            (Self::Ok, Ok(_)) => true,
            (Self::Code(code), Err(actual)) => code == actual,
            (Self::OneOf(codes), Err(actual)) => codes.contains(&actual),
            _ => false,
        }
    }
}

pub(crate) const MISMATCH: Expect = Expect::Code("signature_mismatch");

/// What a signature header can be refused for.
const BAD_LINE: Expect = Expect::OneOf(&[
    "signature_mismatch",
    "malformed_signature",
    "malformed_header",
    "no_supported_signature",
    "invalid_timestamp",
]);

pub(crate) struct Oracle<'a> {
    description: &'a Description,
    /// The items of the signature header of which each one alone makes the request verify.
    pub(crate) good: Vec<Vec<u8>>,
    /// The timestamp as it is signed.
    pub(crate) timestamp: Option<Vec<u8>>,
    /// The time of the message, wherever it is.
    pub(crate) time: Option<i64>,
    /// The fields that are signed, if the scheme signs these instead of the body.
    form: Option<BTreeSet<(Vec<u8>, Vec<u8>)>>,
}

impl<'a> Oracle<'a> {
    /// Learns from a request that verifies. `verifies` says whether a changed one does.
    pub(crate) fn new(description: &'a Description, case: &Case, verifies: impl Fn(&Case) -> bool) -> Self {
        let signature = &description.signature;
        let at = header(description, case, Role::Signature).unwrap();
        let line = case.headers[at].1.clone();
        let items = signature.items(&line);
        let stamp = items
            .iter()
            .copied()
            .find(|item| signature.timestamp(item).is_some());
        let good = items.iter().filter(|item| {
            let alone: Vec<_> = stamp.into_iter().chain([**item]).collect();
            let mut case = case.clone();
            for (name, value) in &mut case.headers {
                if description.role(name) == Some(Role::Signature) {
                    *value = signature.join(&alone);
                }
            }
            signature.timestamp(item).is_none() && verifies(&case)
        });
        let own_header = header(description, case, Role::Timestamp).map(|at| case.headers[at].1.clone());
        let timestamp = stamp
            .and_then(|item| signature.timestamp(item))
            .map(<[u8]>::to_vec)
            .or(own_header);
        let time = match &timestamp {
            Some(text) => str::from_utf8(text).unwrap().parse().ok(),
            None => time_in_body(description, &case.body),
        };
        // Where the URL carries a digest of the body, the fields are not signed and every byte counts.
        let is_digest = case.url.contains("bodySHA256=");
        Self {
            description,
            good: good.map(|item| item.to_vec()).collect(),
            timestamp,
            time,
            form: (description.signs("form") && !is_digest).then(|| form(&case.body)),
        }
    }

    /// For a request whose header at `at` has another value and is not empty.
    pub(crate) fn value(&self, case: &Case, at: usize, value: &[u8]) -> Expect {
        let (name, original) = &case.headers[at];
        let Some(role) = self.description.role(name) else {
            return Expect::Ok;
        };
        if value == original {
            return Expect::Ok;
        }
        if has_other_name(self.description, case, at) {
            return Expect::Code("duplicate_header");
        }
        match role {
            Role::Signature => self.line(value),
            Role::Timestamp if is_timestamp(value) => MISMATCH,
            Role::Timestamp => Expect::Code("invalid_timestamp"),
            Role::Id if is_id(value) => MISMATCH,
            Role::Id => Expect::Code("invalid_id"),
        }
    }

    /// For a request with another signature header.
    pub(crate) fn line(&self, value: &[u8]) -> Expect {
        let signature = &self.description.signature;
        let items = signature.items(value);
        if value.len() > MAX_HEADER_BYTES || items.len() > MAX_SIGNATURE_ITEMS {
            return Expect::Code("malformed_header");
        }
        if signature.ts_key.is_some() {
            let stamps: Vec<_> = items
                .iter()
                .filter_map(|item| signature.timestamp(item))
                .collect();
            if stamps.len() != 1 {
                return Expect::Code("malformed_header");
            }
            if !is_timestamp(stamps[0]) {
                return Expect::Code("invalid_timestamp");
            }
            if Some(stamps[0]) != self.timestamp.as_deref() {
                return BAD_LINE;
            }
        }
        let has_good = items
            .iter()
            .any(|item| self.good.iter().any(|good| self.is_same(item, good)));
        if has_good { Expect::Ok } else { BAD_LINE }
    }

    /// For a request with another body.
    pub(crate) fn body(&self, body: &[u8]) -> Expect {
        match &self.form {
            Some(fields) if *fields == form(body) => Expect::Ok,
            _ => MISMATCH,
        }
    }

    /// Whether two items hold the same signature. Hex may be written in either case; nothing else may vary.
    fn is_same(&self, item: &[u8], good: &[u8]) -> bool {
        let signature = &self.description.signature;
        let (tag, text) = signature.split(item).unwrap_or((b"", item));
        let (good_tag, good_text) = signature.split(good).unwrap_or((b"", good));
        let is_same_text = if signature.encoding == "hex" {
            text.eq_ignore_ascii_case(good_text)
        } else {
            text == good_text
        };
        tag == good_tag && is_same_text
    }
}

/// The position of the header that plays `role`, if it is there and not empty.
pub(crate) fn header(description: &Description, case: &Case, role: Role) -> Option<usize> {
    case.headers
        .iter()
        .position(|(name, value)| description.role(name) == Some(role) && !value.is_empty())
}

/// Whether another header means the same as the one at `at`.
pub(crate) fn has_other_name(description: &Description, case: &Case, at: usize) -> bool {
    let role = description.role(&case.headers[at].0);
    case.headers
        .iter()
        .enumerate()
        .any(|(other, (name, value))| other != at && description.role(name) == role && !value.is_empty())
}

/// `^(0|[1-9][0-9]{0,15})$`
pub(crate) fn is_timestamp(text: &[u8]) -> bool {
    (1..=16).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) && (text == b"0" || text[0] != b'0')
}

/// `^[A-Za-z0-9_:@/+=~-]{1,256}$`
fn is_id(text: &[u8]) -> bool {
    (1..=256).contains(&text.len())
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_:@/+=~-".contains(byte))
}

/// The distinct fields of a form.
fn form(body: &[u8]) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
    body.split(|byte| *byte == b'&')
        .filter(|field| !field.is_empty())
        .map(|field| {
            let at = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
            (
                decoded(&field[..at]),
                decoded(field.get(at + 1..).unwrap_or_default()),
            )
        })
        .collect()
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let escape = text.get(at + 1..at + 3).and_then(|digits| {
            let digits = str::from_utf8(digits)
                .ok()
                .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(digits, 16).ok()
        });
        match (text[at], escape) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

fn time_in_body(description: &Description, body: &[u8]) -> Option<i64> {
    let field = description.timestamp.as_ref()?.body_field.as_ref()?;
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body[field].as_i64()
}
