//! A signature header, taken apart.
//!
//! Whatever is in it, it is read in place: items are split off one by one and decoded onto the stack, so that a
//! stranger's header costs no memory.

use memchr::{memchr, memchr_iter};

use crate::error::{HeaderProblem, VerifyError};
use crate::header::{HeaderName, MAX_SIGNATURE_ITEMS};
use crate::key::Key;
use crate::mac::Tag;
use crate::scheme::{Algorithm, Signature, SignatureForm};

/// The items of a signature header. None of them is decoded yet.
pub(crate) struct Line<'a, 's> {
    signature: &'s Signature,
    header: &'s HeaderName,
    value: &'a [u8],
    /// The text of the timestamp, if the scheme puts it here.
    timestamp: Option<&'a [u8]>,
}

/// The first signature of use, decoded, and the items behind it.
pub(crate) struct FirstCandidate<'a> {
    algorithm: Algorithm,
    tag: Tag,
    /// Nearly always empty.
    rest: Items<'a>,
}

impl<'a, 's> Line<'a, 's> {
    /// Checks the number of items and finds the timestamp, if the scheme has it here.
    pub(crate) fn read(
        signature: &'s Signature,
        header: &'s HeaderName,
        value: &'a [u8],
    ) -> Result<Self, VerifyError> {
        let mut line = Self {
            signature,
            header,
            value,
            timestamp: None,
        };
        // Nothing shorter has room for that many items.
        if value.len() > 2 * MAX_SIGNATURE_ITEMS
            && let Some(separator) = signature.item_separator_byte()
            && memchr_iter(separator, value)
                .nth(MAX_SIGNATURE_ITEMS - 1)
                .is_some()
        {
            return Err(line.malformed(HeaderProblem::TooManyItems));
        }
        if let SignatureForm::Tagged {
            separator,
            timestamp_tag: Some(tag),
            ..
        } = &signature.form
        {
            line.timestamp = Some(line.only_timestamp(*separator, tag)?);
        }
        Ok(line)
    }

    fn only_timestamp(&self, separator: u8, tag: &str) -> Result<&'a [u8], VerifyError> {
        let mut timestamps = self
            .items()
            .filter_map(|item| split_tag(item, separator))
            .filter(|(name, _)| *name == tag.as_bytes())
            .map(|(_, text)| text);
        match (timestamps.next(), timestamps.next()) {
            (Some(text), None) => Ok(text),
            (None, _) => Err(self.malformed(HeaderProblem::NoTimestamp)),
            (Some(_), Some(_)) => Err(self.malformed(HeaderProblem::RepeatedTimestamp)),
        }
    }

    /// The text of the timestamp, verbatim, if the scheme puts it here.
    pub(crate) fn timestamp(&self) -> Option<&'a [u8]> {
        self.timestamp
    }

    /// Whether there is a signature that claims this algorithm, from the first one of use on.
    pub(crate) fn claims(&self, algorithm: Algorithm, first: &FirstCandidate<'a>) -> bool {
        let mut rest = first.rest.clone().filter_map(|item| self.signature_in(item));
        first.algorithm == algorithm || rest.any(|(claimed, _)| claimed == algorithm)
    }

    /// The signatures of an algorithm that decode. Everything else is skipped: versions that we do not know are a
    /// sender's future or its past, and one broken signature says nothing about its neighbour.
    pub(crate) fn candidates(
        &self,
        algorithm: Algorithm,
        first: &FirstCandidate<'a>,
    ) -> impl Iterator<Item = Tag> {
        let rest = first.rest.clone().filter_map(move |item| {
            let (claimed, text) = self.signature_in(item)?;
            let tag = self
                .signature
                .encoding
                .decode(text, &algorithm.signature_lengths())?;
            (claimed == algorithm).then_some(tag)
        });
        let first = (first.algorithm == algorithm).then_some(first.tag);
        first.into_iter().chain(rest)
    }

    /// The first signature that decodes and that there is a key for, or why there is none.
    pub(crate) fn first_candidate(&self, keys: &[Key]) -> Result<FirstCandidate<'a>, VerifyError> {
        let mut of_no_use = None;
        let mut items = self.items();
        while let Some(item) = items.next() {
            let Some((algorithm, text)) = self.signature_in(item) else {
                continue;
            };
            if !keys.iter().any(|key| key.algorithm == algorithm) {
                continue;
            }
            let lengths = algorithm.signature_lengths();
            if let Some(tag) = self.signature.encoding.decode(text, &lengths) {
                return Ok(FirstCandidate {
                    algorithm,
                    tag,
                    rest: items,
                });
            }
            of_no_use = of_no_use.or(Some(lengths));
        }
        Err(match of_no_use {
            Some(lengths) => VerifyError::MalformedSignature {
                header: self.header.clone(),
                expected: self.signature.encoding.describe(&lengths),
            },
            None if self.has_tags() => VerifyError::NoSupportedSignature {
                header: self.header.clone(),
            },
            None => self.malformed(HeaderProblem::NoTaggedSignature),
        })
    }

    /// Whether anything in it has the form of a signature, of whatever version.
    fn has_tags(&self) -> bool {
        match &self.signature.form {
            SignatureForm::Bare(_) => true,
            SignatureForm::Tagged {
                separator,
                timestamp_tag,
                ..
            } => self
                .items()
                .filter_map(|item| split_tag(item, *separator))
                .any(|(name, _)| timestamp_tag.as_ref().is_none_or(|tag| tag.as_bytes() != name)),
        }
    }

    /// What an item claims, if it is a signature of a known version.
    fn signature_in(&self, item: &'a [u8]) -> Option<(Algorithm, &'a [u8])> {
        match &self.signature.form {
            SignatureForm::Bare(algorithm) => Some((*algorithm, item)),
            SignatureForm::Tagged { separator, tags, .. } => {
                let (name, text) = split_tag(item, *separator)?;
                let tagged = tags.iter().find(|tagged| tagged.tag.as_bytes() == name)?;
                Some((tagged.algorithm, text))
            }
        }
    }

    fn items(&self) -> Items<'a> {
        Items {
            rest: self.value,
            separator: self.signature.item_separator_byte(),
        }
    }

    fn malformed(&self, problem: HeaderProblem) -> VerifyError {
        VerifyError::MalformedHeader {
            header: self.header.clone(),
            problem,
        }
    }
}

/// The items of a header, without the white space around them and without empty ones. A header with a single item is
/// taken as it is.
#[derive(Clone)]
struct Items<'a> {
    rest: &'a [u8],
    separator: Option<u8>,
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let Some(separator) = self.separator else {
                return Some(std::mem::take(&mut self.rest));
            };
            let ends = memchr(separator, self.rest);
            let (item, rest) = self.rest.split_at(ends.unwrap_or(self.rest.len()));
            self.rest = rest.get(1..).unwrap_or_default();
            let item = item.trim_ascii();
            if !item.is_empty() {
                return Some(item);
            }
        }
        None
    }
}

/// Splits `tag separator rest` at the first separator; base64 may contain more of them.
fn split_tag(item: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr(separator, item)?;
    Some((&item[..at], &item[at + 1..]))
}
