//! Schedules: how long to wait before the next attempt, and when to give up.
//!
//! A schedule is written in one of two ways, in profile descriptions as in JSON:
//!
//! ```toml
//! delays = ["30s", "5m", "30m", "2h"]            # before attempts 2, 3, 4 and 5
//! ```
//! ```toml
//! base = "2s"                                    # before attempt 2
//! factor = 2.0                                   # each further delay is this many times the last
//! max_delay = "5m"
//! max_attempts = 5                               # the first attempt counts
//! jitter = "equal"                               # none | equal | full
//! ```
//!
//! A duration is a text of numbers with units, `ms`, `s`, `m`, `h` or `d`, such as `"1h30m"`; or an integer, which
//! counts milliseconds.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// Most attempts that a schedule can ask for. At one a day this is three months, after which nobody wants the event.
pub const MAX_ATTEMPTS: u32 = 100;

/// Longest delay between two attempts: thirty days.
pub const MAX_DELAY: Duration = Duration::from_hours(30 * 24);

/// When to try again. Delays count from the end of the attempt that failed, so that a receiver which takes long to
/// fail is not met by the next attempt at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Description", into = "Description")]
pub enum Schedule {
    /// These delays before the second attempt, the third, and so on; then no more.
    List(Vec<Duration>),
    /// Delays that grow by a factor.
    Exponential {
        /// The delay before the second attempt.
        base: Duration,
        /// What each delay is multiplied with to get the next one, 1 or more.
        factor: f64,
        /// No delay is longer than this, before and after jitter.
        max_delay: Duration,
        /// How many attempts there are, the first one included.
        max_attempts: u32,
        /// How much chance there is in it.
        jitter: Jitter,
    },
}

/// How much of a delay is left to chance, so that receivers that come back are not met by all senders at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Jitter {
    /// Nothing.
    #[default]
    None,
    /// Half: between one half and the whole of the delay.
    Equal,
    /// Everything: between nothing and the whole of the delay.
    Full,
}

impl Schedule {
    /// How long to wait after `attempt` failed, counting from 1, or `None` when it was the last one.
    ///
    /// `random` is a number from 0 to 1 that the caller draws anew for each call; schedules without jitter ignore
    /// it.
    pub fn delay_after(&self, attempt: u32, random: f64) -> Option<Duration> {
        let retry_index = attempt.saturating_sub(1);
        match self {
            Self::List(delays) => delays.get(usize::try_from(retry_index).ok()?).copied(),
            Self::Exponential {
                base,
                factor,
                max_delay,
                max_attempts,
                jitter,
            } => {
                if attempt >= *max_attempts {
                    return None;
                }
                let cap = max_delay.min(&MAX_DELAY).as_secs_f64();
                let grown = base.as_secs_f64() * factor.powf(f64::from(retry_index));
                // A caller can build a schedule from any numbers: a delay that is not a number is the longest one.
                let delay = if grown.is_nan() {
                    cap
                } else {
                    grown.clamp(0.0, cap)
                };
                Some(Duration::from_secs_f64(delay * jitter.share(random)))
            }
        }
    }

    /// How many attempts there are at most, the first one included.
    pub fn max_attempts(&self) -> u32 {
        match self {
            Self::List(delays) => u32::try_from(delays.len()).unwrap_or(u32::MAX).saturating_add(1),
            Self::Exponential { max_attempts, .. } => (*max_attempts).max(1),
        }
    }
}

impl Jitter {
    /// The share of the delay that is waited, from 0 to 1.
    fn share(self, random: f64) -> f64 {
        let random = if random.is_nan() {
            1.0
        } else {
            random.clamp(0.0, 1.0)
        };
        match self {
            Self::None => 1.0,
            Self::Equal => f64::midpoint(1.0, random),
            Self::Full => random,
        }
    }
}

/// A schedule as it is written down.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delays: Option<Vec<Span>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    factor: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_delay: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jitter: Option<Jitter>,
}

impl TryFrom<Description> for Schedule {
    type Error = String;

    fn try_from(description: Description) -> Result<Self, String> {
        match description {
            Description {
                delays: Some(delays),
                base: None,
                factor: None,
                max_delay: None,
                max_attempts: None,
                jitter: None,
            } => {
                if delays.len() >= MAX_ATTEMPTS as usize {
                    return Err(format!("`delays` has more than {} entries", MAX_ATTEMPTS - 1));
                }
                Ok(Self::List(
                    delays
                        .into_iter()
                        .map(Span::within_bounds)
                        .collect::<Result<_, _>>()?,
                ))
            }
            Description {
                delays: None,
                base: Some(base),
                factor,
                max_delay,
                max_attempts,
                jitter,
            } => {
                let factor = factor.unwrap_or(2.0);
                if !(1.0..=100.0).contains(&factor) {
                    return Err("`factor` must be between 1 and 100".to_owned());
                }
                let max_attempts = max_attempts.ok_or("`max_attempts` is missing")?;
                if !(1..=MAX_ATTEMPTS).contains(&max_attempts) {
                    return Err(format!("`max_attempts` must be between 1 and {MAX_ATTEMPTS}"));
                }
                Ok(Self::Exponential {
                    base: base.within_bounds()?,
                    factor,
                    max_delay: max_delay.unwrap_or(Span(MAX_DELAY)).within_bounds()?,
                    max_attempts,
                    jitter: jitter.unwrap_or_default(),
                })
            }
            _ => Err(
                "a schedule has either `delays`, or `base` with `factor`, `max_delay`, `max_attempts` and \
                      `jitter`"
                    .to_owned(),
            ),
        }
    }
}

impl From<Schedule> for Description {
    fn from(schedule: Schedule) -> Self {
        match schedule {
            Schedule::List(delays) => Self {
                delays: Some(delays.into_iter().map(Span).collect()),
                ..Self::default()
            },
            Schedule::Exponential {
                base,
                factor,
                max_delay,
                max_attempts,
                jitter,
            } => Self {
                delays: None,
                base: Some(Span(base)),
                factor: Some(factor),
                max_delay: Some(Span(max_delay)),
                max_attempts: Some(max_attempts),
                jitter: Some(jitter),
            },
        }
    }
}

/// A duration as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl Span {
    fn parse(text: &str) -> Option<Duration> {
        let mut total = Duration::ZERO;
        let mut rest = text;
        while !rest.is_empty() {
            let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
            let number: u64 = rest[..unit_at].parse().ok()?;
            let unit_ends = rest[unit_at..]
                .find(|c: char| c.is_ascii_digit())
                .map_or(rest.len(), |at| unit_at + at);
            let unit_ms = UNITS
                .iter()
                .find(|(unit, _)| *unit == &rest[unit_at..unit_ends])?
                .1;
            total = total.checked_add(Duration::from_millis(number.checked_mul(unit_ms)?))?;
            rest = &rest[unit_ends..];
        }
        (!text.is_empty()).then_some(total)
    }

    fn within_bounds(self) -> Result<Duration, String> {
        if self.0 <= MAX_DELAY {
            Ok(self.0)
        } else {
            Err("a delay is longer than 30 days".to_owned())
        }
    }
}

/// Units of durations with their milliseconds, longest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest_ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest_ms == 0 {
            return f.write_str("0s");
        }
        for (unit, unit_ms) in UNITS {
            if rest_ms >= unit_ms {
                write!(f, "{}{unit}", rest_ms / unit_ms)?;
                rest_ms %= unit_ms;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;

        impl Visitor<'_> for SpanVisitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"5m\" or \"1h30m\", or a number of milliseconds")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text)
                    .map(Span)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_u64<E: de::Error>(self, milliseconds: u64) -> Result<Span, E> {
                Ok(Span(Duration::from_millis(milliseconds)))
            }

            fn visit_i64<E: de::Error>(self, milliseconds: i64) -> Result<Span, E> {
                let milliseconds = u64::try_from(milliseconds);
                milliseconds
                    .map(|number| Span(Duration::from_millis(number)))
                    .map_err(|_| E::invalid_value(de::Unexpected::Other("a negative number"), &self))
            }
        }

        deserializer.deserialize_any(SpanVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(json: &str) -> Result<Schedule, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn durations_say_their_unit() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("1h30m", 5400),
            ("2d", 172_800),
            ("0s", 0),
        ] {
            assert_eq!(Span::parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(Span::parse("1500ms"), Some(Duration::from_millis(1500)));
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "-5m",
            "1.5h",
            "5M",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(Span::parse(text), None, "{text:?}");
        }
        assert_eq!(Span(Duration::from_millis(5_400_001)).to_string(), "1h30m1ms");
    }

    #[test]
    fn a_schedule_survives_being_stored() {
        for json in [
            r#"{"delays":["30s","5m","30m","2h"]}"#,
            r#"{"delays":[]}"#,
            r#"{"base":"2s","factor":2.0,"max_delay":"5m","max_attempts":5,"jitter":"equal"}"#,
        ] {
            let parsed = schedule(json).unwrap();
            assert_eq!(serde_json::to_string(&parsed).unwrap(), json);
        }
        assert_eq!(
            schedule(r#"{"delays":[1500]}"#),
            Ok(Schedule::List(vec![Duration::from_millis(1500)]))
        );
    }

    #[test]
    fn a_schedule_that_cannot_be_meant_is_refused() {
        for json in [
            "{}",
            r#"{"delays":["31d"]}"#,
            r#"{"delays":[-1]}"#,
            r#"{"delays":["1s"],"base":"1s"}"#,
            r#"{"base":"1s"}"#,
            r#"{"base":"1s","max_attempts":0}"#,
            r#"{"base":"1s","max_attempts":101}"#,
            r#"{"base":"1s","max_attempts":5,"factor":0.5}"#,
            r#"{"base":"1s","max_attempts":5,"retries":1}"#,
        ] {
            assert!(schedule(json).is_err(), "{json}");
        }
    }

    #[test]
    fn delays_grow_up_to_the_cap_and_then_end() {
        let schedule =
            schedule(r#"{"base":"2s","factor":2.0,"max_delay":"10s","max_attempts":5,"jitter":"none"}"#)
                .unwrap();
        let delays: Vec<_> = (1..=6)
            .map(|attempt| schedule.delay_after(attempt, 0.5))
            .collect();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(
            delays,
            [seconds(2), seconds(4), seconds(8), seconds(10), None, None]
        );
        assert_eq!(schedule.max_attempts(), 5);
    }

    #[test]
    fn jitter_stays_inside_its_bounds() {
        let with = |jitter| Schedule::Exponential {
            base: Duration::from_secs(10),
            factor: 1.0,
            max_delay: Duration::from_mins(1),
            max_attempts: 2,
            jitter,
        };
        let delay = |jitter, random| with(jitter).delay_after(1, random).unwrap().as_secs();
        assert_eq!((delay(Jitter::Full, 0.0), delay(Jitter::Full, 1.0)), (0, 10));
        assert_eq!((delay(Jitter::Equal, 0.0), delay(Jitter::Equal, 1.0)), (5, 10));
        assert_eq!(
            (delay(Jitter::None, 0.0), delay(Jitter::Full, f64::NAN)),
            (10, 10)
        );
    }

    #[test]
    fn numbers_from_nowhere_do_not_panic() {
        for factor in [f64::NAN, f64::INFINITY, -1.0, 0.0, f64::MAX] {
            for base in [Duration::ZERO, Duration::MAX] {
                let schedule = Schedule::Exponential {
                    base,
                    factor,
                    max_delay: Duration::MAX,
                    max_attempts: u32::MAX,
                    jitter: Jitter::Full,
                };
                for attempt in [0, 1, 2, u32::MAX - 1, u32::MAX] {
                    assert!(
                        schedule
                            .delay_after(attempt, 2.0)
                            .is_none_or(|delay| delay <= MAX_DELAY)
                    );
                }
            }
        }
    }
}
