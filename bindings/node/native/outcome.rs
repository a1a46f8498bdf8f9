//! Verdicts on their way out.
//!
//! ```text
//!   verified   timestamp * 4096 + has_timestamp * 2048 + id_slot * 64 + scheme * 16 + secret
//!   received   that number LF occurred_at_ms LF length of the event's id LF id type
//!   refused    code LF header LF message
//! ```
//!
//! `id_slot` is one more than the slot of the header with the id, or zero without one. A verdict that does not fit
//! into a number that JavaScript counts exactly goes out as text, `verified LF` and that number's parts.

use hookwright_core::handshake::Reply;
use hookwright_core::{EnvelopeError, ParsedEnvelope, Received, Request, Verified, VerifyError};
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;

use crate::slots::Slots;

/// An envelope, taken apart.
#[napi(object)]
pub struct Envelope {
    /// The event id, if the envelope has one.
    pub id: Option<String>,
    /// The event type.
    pub event_type: Option<String>,
    /// When it happened, in Unix milliseconds, if the envelope says.
    pub occurred_at_ms: Option<f64>,
    /// The data as it came, JSON text.
    pub data: String,
    /// What stands beside the data: fields and JSON texts in turns.
    pub extras: Vec<String>,
}

impl From<ParsedEnvelope> for Envelope {
    fn from(parsed: ParsedEnvelope) -> Self {
        Self {
            id: parsed.id,
            event_type: parsed.event_type,
            occurred_at_ms: parsed.occurred_at_ms.map(number),
            data: parsed.data.get().to_owned(),
            extras: parsed
                .extras
                .into_iter()
                .flat_map(|(field, json)| [field, json.get().to_owned()])
                .collect(),
        }
    }
}

/// The answer to a handshake.
#[napi(object)]
pub struct HandshakeReply {
    /// The HTTP status.
    pub status: u32,
    /// Names and values in turns.
    pub headers: Vec<String>,
    /// The body.
    pub body: Uint8Array,
    /// Why it is a refusal, if it is one: for the log, not for the peer.
    pub refusal: Option<String>,
}

impl HandshakeReply {
    pub(crate) fn new(reply: Reply, refusal: Option<&str>) -> Self {
        let headers = reply.headers.iter();
        Self {
            status: u32::from(reply.status),
            headers: headers
                .flat_map(|(name, value)| [name.as_str().to_owned(), value.clone()])
                .collect(),
            body: reply.body.into(),
            refusal: refusal.map(ToOwned::to_owned),
        }
    }
}

/// The largest timestamp that fits beside the other twelve bits.
const MAX_PACKED_TIMESTAMP: i64 = 1 << 41;

/// What a success looks like to JavaScript.
pub(crate) fn verdict(verified: &Verified<'_>, request: &Request<'_>, slots: &Slots) -> Either<f64, String> {
    let scheme = slots.scheme_index(&verified.scheme).unwrap_or_default();
    let id_slot = verified.id.map_or(0, |id| id_slot(id, request, slots));
    let timestamp = verified.timestamp.unwrap_or_default();
    let fits = (0..MAX_PACKED_TIMESTAMP).contains(&timestamp)
        && scheme < 4
        && id_slot < 32
        && verified.secret_index < 16;
    if fits {
        let has_timestamp = i64::from(verified.timestamp.is_some());
        let small = id_slot * 64 + scheme * 16 + verified.secret_index;
        // Four bits, two bits and five bits: at most 2047.
        let small = i64::try_from(small).unwrap_or_default();
        return Either::A(number(timestamp * 4096 + has_timestamp * 2048 + small));
    }
    let timestamp = verified.timestamp.map(|at| at.to_string()).unwrap_or_default();
    let secret = verified.secret_index;
    Either::B(format!("verified\n{timestamp}\n{id_slot}\n{scheme}\n{secret}"))
}

/// What a verified and readable webhook looks like to JavaScript.
pub(crate) fn acceptance(received: &Received<'_>, request: &Request<'_>, slots: &Slots) -> String {
    let verified = match verdict(&received.verified, request, slots) {
        Either::A(packed) => packed.to_string(),
        Either::B(parts) => parts.replace('\n', ","),
    };
    let occurred_at = received
        .occurred_at_ms()
        .map(|at| at.to_string())
        .unwrap_or_default();
    let id = received.envelope.id.as_deref().unwrap_or_default();
    // As JavaScript counts.
    let length = id.encode_utf16().count();
    let event_type = received.event_type().unwrap_or_default();
    format!("{verified}\n{occurred_at}\n{length}\n{id}{event_type}")
}

/// One more than the slot whose value the id is.
fn id_slot(id: &str, request: &Request<'_>, slots: &Slots) -> usize {
    let is_it = |value: &[u8]| std::ptr::eq(value.as_ptr(), id.as_ptr());
    let header = request.headers.iter().find(|(_, value)| is_it(value));
    let slot = header.and_then(|(name, _)| slots.position(name));
    slot.map_or(0, |slot| slot + 1)
}

/// What a refusal looks like to JavaScript.
pub(crate) fn refusal(error: &VerifyError) -> String {
    let header = match error {
        VerifyError::MissingHeader { header }
        | VerifyError::DuplicateHeader { header }
        | VerifyError::ConflictingHeaders { first: header, .. }
        | VerifyError::MalformedHeader { header, .. }
        | VerifyError::NoSupportedSignature { header }
        | VerifyError::MalformedSignature { header, .. }
        | VerifyError::SignatureMismatch { header }
        | VerifyError::InvalidId { header }
        | VerifyError::InvalidTimestamp { header } => header.as_str(),
        _ => "",
    };
    format!("{}\n{header}\n{error}", error.code())
}

/// What a refusal of an authentic body looks like to JavaScript.
pub(crate) fn envelope_refusal(error: &EnvelopeError) -> String {
    let header = match error {
        EnvelopeError::HeaderMismatch { header } | EnvelopeError::DuplicateHeader { header } => {
            header.as_str()
        }
        _ => "",
    };
    format!("{}\n{header}\n{error}", error.code())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "callers pass what fits into 53 bits, or a time so far away that milliseconds do not matter"
)]
const fn number(value: i64) -> f64 {
    value as f64
}
