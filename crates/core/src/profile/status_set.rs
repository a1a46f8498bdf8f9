//! Sets of statuses: which answers of a receiver count as a delivery, and after which ones there is no other attempt.

use std::fmt;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor, value::SeqAccessDeserializer};

/// Some HTTP statuses: single ones (`200`), classes (`2xx`) and ranges (`200-204`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet {
    ranges: Box<[StatusRange]>,
}

impl StatusSet {
    /// Reads a list of statuses, classes and ranges, all from 200 to 599. The error is the text that is none of them.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, &str> {
        let ranges = texts
            .iter()
            .map(|text| StatusRange::parse(text.as_ref()).ok_or(text.as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(Self { ranges })
    }

    /// The set with nothing in it.
    pub fn none() -> Self {
        Self { ranges: [].into() }
    }

    /// Whether this status is one of them.
    pub fn includes(&self, status: u16) -> bool {
        self.ranges.iter().any(|range| range.0.contains(&status))
    }

    /// Whether no status at all is in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl Default for StatusSet {
    /// What HTTP calls a success.
    fn default() -> Self {
        Self {
            ranges: [StatusRange(200..=299)].into(),
        }
    }
}

impl<'de> Deserialize<'de> for StatusSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;

        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = StatusSet;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{GRAMMAR}, or a list of these")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StatusSet, E> {
                let range = StatusRange::parse(text).ok_or_else(|| E::custom(Refused(text)))?;
                Ok(StatusSet {
                    ranges: [range].into(),
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, texts: A) -> Result<StatusSet, A::Error> {
                let ranges = Box::deserialize(SeqAccessDeserializer::new(texts))?;
                Ok(StatusSet { ranges })
            }
        }

        deserializer.deserialize_any(OneOrSeveral)
    }
}

/// Some statuses: `200`, `2xx` or `200-204`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct StatusRange(RangeInclusive<u16>);

impl StatusRange {
    /// `None` when the text is something else, or names a status that is never a receiver's last word.
    fn parse(text: &str) -> Option<Self> {
        let range = if let Some(class) = text.strip_suffix("xx") {
            let first = status(class)?.checked_mul(100)?;
            first..=first.checked_add(99)?
        } else if let Some((first, last)) = text.split_once('-') {
            status(first)?..=status(last)?
        } else {
            status(text)?..=status(text)?
        };
        // 1xx announces an answer and is not one; above 599 HTTP has no statuses.
        (*range.start() >= 200 && *range.end() <= 599 && !range.is_empty()).then_some(Self(range))
    }
}

impl TryFrom<String> for StatusRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| Refused(&text).to_string())
    }
}

/// Digits only: the standard parser also takes a plus sign.
fn status(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

const GRAMMAR: &str =
    "a status from \"200\" to \"599\", a class such as \"2xx\" or a range such as \"200-204\"";

/// A text that names no statuses, for messages.
struct Refused<'a>(&'a str);

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {GRAMMAR}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(toml: &str) -> Result<StatusSet, String> {
        #[derive(Deserialize)]
        struct Profile {
            success: StatusSet,
        }
        toml::from_str::<Profile>(&format!("success = {toml}"))
            .map(|profile| profile.success)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_rule_is_a_status_a_class_a_range_or_several() {
        for (toml, delivered, failed) in [
            (r#""2xx""#, vec![200, 204, 299], vec![100, 199, 300, 404, 500]),
            (r#""200""#, vec![200], vec![199, 201]),
            (r#"["200", "202-204"]"#, vec![200, 202, 203, 204], vec![201, 205]),
            (r#"["2xx", "409"]"#, vec![200, 409], vec![408, 410]),
        ] {
            let rule = rule(toml).unwrap();
            assert!(delivered.iter().all(|status| rule.includes(*status)), "{toml}");
            assert!(!failed.iter().any(|status| rule.includes(*status)), "{toml}");
        }
        assert_eq!(rule(r#""2xx""#).unwrap(), StatusSet::default());
        assert!(rule("[]").unwrap().is_empty());
    }

    #[test]
    fn what_names_no_status_is_refused() {
        for toml in [
            r#""""#,
            r#""xx""#,
            r#""1xx""#,
            r#""6xx""#,
            r#""65535xx""#,
            r#""+200""#,
            r#""200-""#,
            r#""204-200""#,
            r#""200-600""#,
            r#"["2xx", "ok"]"#,
            r#"["99999999999"]"#,
        ] {
            assert!(rule(toml).unwrap_err().contains("is not a status from"), "{toml}");
        }
        let error = rule("200").unwrap_err();
        assert!(
            error.contains("expected a status from") && error.contains("2xx"),
            "{error}"
        );
    }
}
