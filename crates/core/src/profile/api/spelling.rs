//! How times and durations are written.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::rfc3339;

/// How a time or a duration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spelling {
    /// As RFC 3339 text, in whole seconds like the platforms' documents.
    #[default]
    Rfc3339,
    /// As whole seconds since 1970.
    UnixSeconds,
    /// As milliseconds since 1970.
    UnixMilliseconds,
    /// A duration in seconds.
    Seconds,
    /// A duration in milliseconds.
    Milliseconds,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Neither of the two.
    Plain,
    /// A moment.
    Time,
    /// A length of time.
    Duration,
}

impl Spelling {
    /// The spelling of a value of this kind when `given` is asked for, or why it cannot be had.
    pub(super) fn of(kind: Kind, given: Option<Self>) -> Result<Self, &'static str> {
        let fits = |spelling| match kind {
            Kind::Plain => false,
            Kind::Time => matches!(
                spelling,
                Self::Rfc3339 | Self::UnixSeconds | Self::UnixMilliseconds
            ),
            Kind::Duration => matches!(spelling, Self::Seconds | Self::Milliseconds),
        };
        match (kind, given) {
            (_, Some(spelling)) if fits(spelling) => Ok(spelling),
            (Kind::Plain | Kind::Time, None) => Ok(Self::default()),
            (Kind::Plain, Some(_)) => Err("only times and durations have an `as`"),
            (Kind::Time, Some(_)) => Err("a time is `as` rfc3339, unix-seconds or unix-milliseconds"),
            (Kind::Duration, _) => Err("say whether a duration is `as` seconds or milliseconds"),
        }
    }

    /// A moment, in Unix milliseconds, as it is written.
    pub fn write_time(self, unix_ms: i64) -> Value {
        match self {
            Self::UnixSeconds => unix_ms.div_euclid(1_000).into(),
            Self::UnixMilliseconds => unix_ms.into(),
            Self::Rfc3339 | Self::Seconds | Self::Milliseconds => rfc3339::format(unix_ms).into(),
        }
    }

    /// A duration as it is written. Whole numbers have no decimal point.
    pub fn write_duration(self, duration: Duration) -> Value {
        if self == Self::Milliseconds {
            return u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).into();
        }
        if duration.subsec_nanos() == 0 {
            duration.as_secs().into()
        } else {
            duration.as_secs_f64().into()
        }
    }

    /// A duration from what was written: a number that is not negative.
    pub fn read_duration(self, written: &Value) -> Option<Duration> {
        let number = written.as_f64()?;
        let seconds = if self == Self::Milliseconds {
            number / 1_000.0
        } else {
            number
        };
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_and_durations_are_written_as_asked() {
        // A client would take seconds for milliseconds.
        let moment = 1_705_314_600_999;
        assert_eq!(
            Spelling::Rfc3339.write_time(moment),
            json!("2024-01-15T10:30:00Z")
        );
        assert_eq!(Spelling::UnixSeconds.write_time(moment), json!(1_705_314_600));
        assert_eq!(Spelling::UnixMilliseconds.write_time(moment), json!(moment));
        assert_eq!(Spelling::UnixSeconds.write_time(-1), json!(-1));
        let took = Duration::from_micros(245_600);
        assert_eq!(Spelling::Milliseconds.write_duration(took), json!(245));
        assert_eq!(Spelling::Seconds.write_duration(took), json!(0.2456));
        assert_eq!(
            Spelling::Seconds.write_duration(Duration::from_secs(30)),
            json!(30)
        );
    }

    #[test]
    fn a_duration_is_read_as_it_was_written() {
        let read = |spelling: Spelling, written: Value| spelling.read_duration(&written);
        assert_eq!(read(Spelling::Seconds, json!(30)), Some(Duration::from_secs(30)));
        assert_eq!(
            read(Spelling::Seconds, json!(0.5)),
            Some(Duration::from_millis(500))
        );
        assert_eq!(
            read(Spelling::Milliseconds, json!(30_000)),
            Some(Duration::from_secs(30))
        );
        for bad in [json!(-1), json!("30"), json!(1e300), json!(null), json!([30])] {
            assert_eq!(read(Spelling::Seconds, bad.clone()), None, "{bad}");
        }
    }
}
