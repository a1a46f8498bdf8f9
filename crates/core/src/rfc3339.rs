//! Points in time as RFC 3339 text, the form in which most envelopes carry them.

/// Milliseconds in a day.
const DAY_MS: i64 = 86_400_000;

/// Writes Unix milliseconds as `YYYY-MM-DDTHH:MM:SSZ`, cutting off fractions of a second: the platforms' documents
/// show whole seconds, and a receiver with a strict format would stumble over more.
pub(crate) fn format(unix_ms: i64) -> String {
    let (year, month, day) = date_of(unix_ms.div_euclid(DAY_MS));
    let second_of_day = unix_ms.rem_euclid(DAY_MS) / 1000;
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads an RFC 3339 date and time as Unix milliseconds; fractions beyond that are cut off. A leap second counts as
/// the first second of the next minute.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let separators_stand = bytes.len() >= 20
        && [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')]
            .iter()
            .all(|(at, byte)| bytes[*at] == *byte)
        && matches!(bytes[10], b'T' | b't' | b' ');
    if !separators_stand {
        return None;
    }
    let field = |from: usize, to: usize| digits(&bytes[from..to]);
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (milliseconds, zone) = fraction(&bytes[19..])?;
    let seconds = days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some((seconds - zone_offset_seconds(zone)?) * 1000 + milliseconds)
}

fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', rest @ ..] = rest else {
        return Some((0, rest));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // Three digits are milliseconds; fewer are padded with zeros, more are dropped.
    let at = |index: usize| {
        rest.get(index)
            .filter(|_| index < length)
            .map_or(0, |byte| i64::from(byte - b'0'))
    };
    (length > 0).then(|| (at(0) * 100 + at(1) * 10 + at(2), &rest[length..]))
}

fn zone_offset_seconds(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let seconds = hours * 3600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + i64::from(byte - b'0'))
    })
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar extended both ways.
///
/// The year is taken to begin in March, so that the leap day is its last and the months before it follow the
/// repeating pattern 31 30 31 30 31, which `(5 * day + 2) / 153` inverts. Eras are 400 years or 146 097 days.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_FROM_YEAR_ZERO;
    let (era, day_of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Days from 1970-01-01 to a date: the inverse of [`date_of`].
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
        - DAYS_FROM_YEAR_ZERO
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_FROM_YEAR_ZERO: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_are_written_as_the_documents_show_them() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_705_314_600_000, "2024-01-15T10:30:00Z"),
            (1_705_314_600_999, "2024-01-15T10:30:00Z"),
            (951_782_399_000, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(format(unix_ms), text);
        }
        // Nonsense in, nonsense out, but no panic.
        let _ = (format(i64::MIN), format(i64::MAX));
    }

    #[test]
    fn reading_undoes_writing_on_every_day_of_four_centuries() {
        for day in -74_000..74_000_i64 {
            let unix_ms = day * DAY_MS + 43_210_000;
            assert_eq!(parse(&format(unix_ms)), Some(unix_ms));
        }
    }

    #[test]
    fn fractions_and_zones_are_understood() {
        let base = 1_705_314_600_000;
        for (text, offset_ms) in [
            ("2024-01-15T10:30:00.5Z", 500),
            ("2024-01-15T10:30:00.123456789Z", 123),
            ("2024-01-15T11:30:00+01:00", 0),
            ("2024-01-15T05:00:00-05:30", 0),
            ("2024-01-15t10:30:00z", 0),
        ] {
            assert_eq!(parse(text), Some(base + offset_ms), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_date_is_refused() {
        for text in [
            "",
            "2024-01-15",
            "2024-01-15T10:30:00",
            "2024-01-15T10:30:00.Z",
            "2024-02-30T10:30:00Z",
            "2023-02-29T10:30:00Z",
            "2024-13-01T10:30:00Z",
            "2024-01-15T24:00:00Z",
            "2024-01-15T10:30:00Zx",
            "2024-01-15T10:30:00+1:00",
            "2024-01-15T10:30:00+25:00",
            "1640995200",
            "éééééééééééé",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
