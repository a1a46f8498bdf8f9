//! Values as people type them.

use std::{
    fs,
    io::{self, Read as _},
    time::Duration,
};

use crate::failure::Failure;

/// Text, or `@file`, or `-` for standard input.
pub(crate) fn read_bytes(argument: &str) -> Result<Vec<u8>, Failure> {
    let read = match (argument, argument.strip_prefix('@')) {
        ("-", _) => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        }
        (_, Some(path)) => fs::read(path),
        (text, None) => Ok(text.as_bytes().to_vec()),
    };
    read.map_err(|error| Failure::Usage(format!("cannot read {argument}: {error}")))
}

/// `Name: value`.
pub(crate) fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// `name=value`.
pub(crate) fn parse_attribute(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected name=value")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// `500ms`, `30s`, `5m`, `2h` or `1d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a number and a unit, such as 30s")?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(String::from("expected a unit: ms, s, m, h or d")),
    };
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or_else(|| String::from("too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_hours(2)));
        for bad in [
            "",
            "5",
            "s",
            "-5s",
            "5 s",
            "5y",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_are_split_at_the_first_colon() {
        assert_eq!(
            parse_header("X-A: b: c"),
            Ok((String::from("X-A"), String::from("b: c")))
        );
        assert!(parse_header("X-A").is_err());
    }
}
