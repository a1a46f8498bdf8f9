//! The content template: which bytes are signed, in which order.
//!
//! ```text
//! template = 1*( literal / "{" variable "}" )        "{{" and "}}" stand for the braces themselves
//! variable = "body" / "form" / "ts" / "id" / "url" / "method"
//! ```
//!
//! The parts are fed to the MAC one after the other, so the body is not copied to be concatenated. Only signatures
//! with key pairs need the message in one piece.
//!
//! A template must not be ambiguous. If `{id}-{body}` were allowed, `a-b` + `c` and `a` + `b-c` would be signed
//! alike, and whoever sees the one could send the other. So what follows an id or a timestamp has to start with a
//! byte that the id or the timestamp cannot contain. A few platforms glue variables together regardless; their
//! descriptions say so with `adjacent_variables = true`.

use std::borrow::Cow;

use crate::error::SchemeError;
use crate::header::is_id_byte;

/// A parsed content template.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    segments: Box<[Segment]>,
    /// Which variables occur, a bit each: it is asked for every message.
    variables: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Variable(Variable),
}

/// A part of the message that a template can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable {
    /// The raw body.
    Body,
    /// The fields of a form body, sorted and joined, see [`sorted_form`].
    Form,
    /// The timestamp, verbatim as it stands in the header.
    Timestamp,
    /// The message id.
    Id,
    /// The full URL as the sender sees it.
    Url,
    /// The HTTP method in upper case.
    Method,
}

impl Variable {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The values of the variables for one message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) form: &'a [u8],
    pub(crate) timestamp: &'a [u8],
    pub(crate) id: &'a [u8],
    pub(crate) url: &'a str,
    pub(crate) method: &'a str,
}

/// What takes the signed bytes piece by piece.
pub(crate) trait Sink {
    /// Takes the next bytes of the message.
    fn update(&mut self, bytes: &[u8]);
}

/// The whole message in memory, for algorithms that read it twice.
impl Sink for Vec<u8> {
    fn update(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Content {
    /// Parses a template. `adjacent_variables` waives the rule against ambiguity.
    pub(crate) fn parse(template: &str, adjacent_variables: bool) -> Result<Self, SchemeError> {
        let segments = split(template)?;
        check_variables(&segments)?;
        if !adjacent_variables {
            check_separation(&segments)?;
        }
        let variables = segments.iter().fold(0, |variables, segment| match segment {
            Segment::Variable(variable) => variables | variable.bit(),
            Segment::Literal(_) => variables,
        });
        Ok(Self {
            segments: segments.into(),
            variables,
        })
    }

    /// Whether the template names `variable`.
    pub(crate) fn uses(&self, variable: Variable) -> bool {
        self.variables & variable.bit() != 0
    }

    /// Feeds the signed bytes to `sink`.
    pub(crate) fn feed(&self, parts: &Parts<'_>, sink: &mut impl Sink) {
        for segment in &self.segments {
            sink.update(match segment {
                Segment::Literal(text) => text.as_bytes(),
                Segment::Variable(Variable::Body) => parts.body,
                Segment::Variable(Variable::Form) => parts.form,
                Segment::Variable(Variable::Timestamp) => parts.timestamp,
                Segment::Variable(Variable::Id) => parts.id,
                Segment::Variable(Variable::Url) => parts.url.as_bytes(),
                Segment::Variable(Variable::Method) => parts.method.as_bytes(),
            });
        }
    }
}

fn split(template: &str) -> Result<Vec<Segment>, SchemeError> {
    let mut segments = Vec::new();
    let mut literal = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else {
            let variable = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let Some((name, after)) = variable else {
                return Err(SchemeError::Content {
                    reason: "a brace is not closed, or closes nothing",
                });
            };
            push_literal(&mut segments, &mut literal);
            segments.push(Segment::Variable(variable_named(name)?));
            rest = after;
        }
    }
    literal.push_str(rest);
    push_literal(&mut segments, &mut literal);
    Ok(segments)
}

fn push_literal(segments: &mut Vec<Segment>, literal: &mut String) {
    if !literal.is_empty() {
        segments.push(Segment::Literal(std::mem::take(literal).into()));
    }
}

fn variable_named(name: &str) -> Result<Variable, SchemeError> {
    Ok(match name {
        "body" => Variable::Body,
        "form" => Variable::Form,
        "ts" => Variable::Timestamp,
        "id" => Variable::Id,
        "url" => Variable::Url,
        "method" => Variable::Method,
        _ => {
            return Err(SchemeError::Content {
                reason: "the variables are body, form, ts, id, url and method",
            });
        }
    })
}

fn check_variables(segments: &[Segment]) -> Result<(), SchemeError> {
    let count = |wanted| {
        segments
            .iter()
            .filter(|&segment| *segment == Segment::Variable(wanted))
            .count()
    };
    if count(Variable::Body) + count(Variable::Form) != 1 {
        return Err(SchemeError::Content {
            reason: "exactly one of {body} and {form} must be signed",
        });
    }
    if [Variable::Timestamp, Variable::Id, Variable::Url, Variable::Method]
        .into_iter()
        .any(|v| count(v) > 1)
    {
        return Err(SchemeError::Content {
            reason: "a variable occurs twice",
        });
    }
    Ok(())
}

fn check_separation(segments: &[Segment]) -> Result<(), SchemeError> {
    for pair in segments.windows(2) {
        let [Segment::Variable(variable), next] = pair else {
            continue;
        };
        let Segment::Literal(literal) = next else {
            return Err(SchemeError::Content {
                reason: "two variables touch, so the signed bytes can be split in two ways; put a separator between \
                         them, or set adjacent_variables = true for a platform that leaves no choice",
            });
        };
        let first = literal.bytes().next().unwrap_or(b' ');
        let is_ambiguous = match variable {
            Variable::Id => is_id_byte(first),
            Variable::Timestamp => first.is_ascii_digit(),
            Variable::Method => first.is_ascii_alphabetic(),
            Variable::Body | Variable::Form | Variable::Url => false,
        };
        if is_ambiguous {
            return Err(SchemeError::Content {
                reason: "the separator after a variable must start with a character that the variable cannot contain, \
                         such as a full stop after {id}",
            });
        }
    }
    Ok(())
}

/// The fields of an `application/x-www-form-urlencoded` body, decoded, sorted by name and then by value, without
/// repetitions, as `name value name value …` with nothing in between. This is how Twilio signs forms.
pub(crate) fn sorted_form(body: &[u8]) -> Vec<u8> {
    let mut fields: Vec<[Cow<'_, [u8]>; 2]> = body
        .split(|byte| *byte == b'&')
        .filter(|field| !field.is_empty())
        .map(|field| {
            let at = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
            [
                form_decoded(&field[..at]),
                form_decoded(field.get(at + 1..).unwrap_or_default()),
            ]
        })
        .collect();
    fields.sort_unstable();
    fields.dedup();
    let mut joined = Vec::with_capacity(body.len());
    for text in fields.iter().flatten() {
        joined.extend_from_slice(text);
    }
    joined
}

/// Undoes the encoding of form fields. A percent sign that starts no escape stands for itself, as in browsers.
fn form_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let escape = match rest {
            [b'%', high, low, ..] => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        if let Some((high, low)) = escape {
            // Two hex digits make at most 255, so the conversion keeps every bit.
            decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
            rest = &rest[3..];
        } else {
            decoded.push(if *byte == b'+' { b' ' } else { *byte });
            rest = after;
        }
    }
    Cow::Owned(decoded)
}

/// The hex SHA-256 that the URL's last query parameter `name` gives for the body, if it is there.
///
/// Only the last parameter counts. `{url}{form}` has no separator, so form fields with chosen text could otherwise
/// be read as the tail of a URL that names the digest of another body.
pub(crate) fn body_digest_in_url<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    let last = query.rsplit('&').next()?;
    last.strip_prefix(name)?.strip_prefix('=')
}

/// The URL with its default port written out if it had none, and without its port if it had one.
///
/// Twilio signs a URL sometimes with the port and sometimes without, and its own libraries try both. `None` for what
/// is no URL of the web.
pub(crate) fn with_port_toggled(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let default_port = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let authority_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_ends);
    // An IPv6 address has colons of its own, inside brackets.
    let host_ends = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let toggled = match authority[host_ends..].rfind(':') {
        Some(colon) => format!("{scheme}://{}{path}", &authority[..host_ends + colon]),
        None => format!("{scheme}://{authority}:{default_port}{path}"),
    };
    Some(toggled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(template: &str) -> Option<&'static str> {
        match Content::parse(template, false) {
            Ok(_) => None,
            Err(SchemeError::Content { reason }) => Some(reason),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn templates_of_real_platforms_parse() {
        for template in [
            "{body}",
            "{id}.{ts}.{body}",
            "v0:{ts}:{body}",
            "{ts},{body}",
            "{{{ts}}}{body}",
        ] {
            assert_eq!(reason(template), None, "{template}");
        }
        assert!(Content::parse("{method}{url}{body}{ts}", true).is_ok());
    }

    #[test]
    fn a_template_that_leaves_the_body_unsigned_is_refused() {
        for template in ["", "{ts}", "literal", "{{body}}", "{body}{form}", "{body} {body}"] {
            assert!(
                reason(template).is_some_and(|r| r.contains("exactly one")),
                "{template}"
            );
        }
    }

    #[test]
    fn a_template_that_can_be_split_in_two_ways_is_refused() {
        assert!(reason("{id}{body}").is_some_and(|r| r.contains("touch")));
        assert!(reason("{id}-{body}").is_some_and(|r| r.contains("separator")));
        assert!(reason("{ts}0{body}").is_some_and(|r| r.contains("separator")));
        assert!(reason("{ts}.{ts}.{body}").is_some_and(|r| r.contains("twice")));
    }

    #[test]
    fn braces_must_pair_up() {
        for template in ["{body", "body}", "{body}{", "{nope}{body}", "{}{body}"] {
            assert!(reason(template).is_some(), "{template}");
        }
    }

    #[test]
    fn forms_are_sorted_and_repetitions_dropped() {
        assert_eq!(
            sorted_form(b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234"),
            b"Digits1234Digits5678SidCA123SidAccountAC123"
        );
        assert_eq!(
            sorted_form(b"From=%2B1415&Name=a+b&Odd=100%&&Empty"),
            b"EmptyFrom+1415Namea bOdd100%"
        );
        assert!(sorted_form(b"").is_empty());
    }

    #[test]
    fn only_the_last_parameter_can_name_a_body_digest() {
        let digest = |url| body_digest_in_url(url, "bodySHA256");
        assert_eq!(digest("https://a/?x=1&bodySHA256=ab"), Some("ab"));
        assert_eq!(digest("https://a/?bodySHA256=ab&x=1"), None);
        assert_eq!(digest("https://a/bodySHA256=ab"), None);
    }

    #[test]
    fn a_port_is_written_out_or_left_away() {
        let toggled = |url| with_port_toggled(url).unwrap_or_default();
        assert_eq!(
            toggled("https://a.example/x?y=1:2"),
            "https://a.example:443/x?y=1:2"
        );
        assert_eq!(toggled("https://a.example:443/x"), "https://a.example/x");
        assert_eq!(toggled("https://a.example:8443?q"), "https://a.example?q");
        assert_eq!(toggled("http://[::1]"), "http://[::1]:80");
        assert_eq!(toggled("http://[::1]:80/"), "http://[::1]/");
        assert_eq!(
            toggled("https://user:pw@a.example:1/"),
            "https://user:pw@a.example/"
        );
        assert_eq!(with_port_toggled("ftp://a/"), None);
        assert_eq!(with_port_toggled(""), None);
    }
}
