//! JSON written again the way other libraries write it, without parsing numbers or moving keys.

use std::iter::Peekable;

use serde::de::IgnoredAny;

/// Longest text that is written. Indentation can blow a hostile body up, and no sender indents that much.
const MAX_TEXT_BYTES: usize = 4 * super::MAX_BODY_BYTES;

/// Where a library puts white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// None: `JSON.stringify`, Go, PHP, most others.
    Compact,
    /// After commas and colons: Python's `json.dumps`.
    Python,
    /// A line per item, indented by this.
    Pretty(&'static str),
}

impl Spacing {
    pub(super) const ALL: [Self; 5] = [
        Self::Compact,
        Self::Python,
        Self::Pretty("  "),
        Self::Pretty("    "),
        Self::Pretty("\t"),
    ];
}

/// Which characters a library escapes inside texts, beyond those that must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Leave every text as it is.
    AsIs,
    /// Nothing more: `JSON.stringify`.
    Fewest,
    /// Everything outside ASCII: Python.
    Ascii,
    /// Everything outside ASCII, and slashes: PHP.
    AsciiAndSlash,
    /// Slashes only: PHP with `JSON_UNESCAPED_UNICODE`.
    Slash,
    /// `< > &` and the two line separators: Go.
    Html,
    /// Everything outside ASCII and everything special in HTML, in upper-case hex: .NET.
    AsciiAndHtml,
    /// Everything outside ASCII, slashes, and `< % @`: Meta.
    Meta,
}

impl Escapes {
    pub(super) const ALL: [Self; 8] = [
        Self::AsIs,
        Self::Fewest,
        Self::Ascii,
        Self::AsciiAndSlash,
        Self::Slash,
        Self::Html,
        Self::AsciiAndHtml,
        Self::Meta,
    ];

    /// Whether `character`, which need not be escaped, is.
    fn covers(self, character: char) -> bool {
        let is_ascii = character.is_ascii() && character != '\u{7f}';
        match self {
            Self::AsIs | Self::Fewest => false,
            Self::Ascii => !is_ascii,
            Self::AsciiAndSlash => !is_ascii || character == '/',
            Self::Slash => character == '/',
            Self::Html => matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}'),
            Self::AsciiAndHtml => !is_ascii || matches!(character, '<' | '>' | '&' | '\'' | '+' | '`'),
            Self::Meta => !is_ascii || matches!(character, '/' | '<' | '%' | '@'),
        }
    }
}

/// Whether `text` is JSON, and nested little enough for the functions here.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Writes JSON again. `None` if it gets too long.
pub(super) fn rewritten(text: &str, spacing: Spacing, escapes: Escapes) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut depth = 0_usize;
    let mut tokens = Tokens { rest: text }.peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Mark(open @ ('{' | '[')) => {
                out.push(open);
                if let Some(Token::Mark(close @ ('}' | ']'))) = tokens.peek() {
                    out.push(*close);
                    tokens.next();
                } else {
                    depth += 1;
                    break_line(&mut out, spacing, depth);
                }
            }
            Token::Mark(close @ ('}' | ']')) => {
                depth = depth.saturating_sub(1);
                break_line(&mut out, spacing, depth);
                out.push(close);
            }
            Token::Mark(',') => {
                out.push(',');
                if spacing == Spacing::Python {
                    out.push(' ');
                }
                break_line(&mut out, spacing, depth);
            }
            Token::Mark(mark) => {
                out.push(mark);
                if spacing != Spacing::Compact {
                    out.push(' ');
                }
            }
            Token::Text(raw) => push_text(&mut out, raw, escapes),
            Token::Atom(raw) => out.push_str(raw),
        }
        if out.len() > MAX_TEXT_BYTES {
            return None;
        }
    }
    Some(out)
}

/// The same JSON in compact form with the keys of every object sorted, as Go writes maps.
pub(super) fn with_sorted_keys(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_sorted(&mut Tokens { rest: text }.peekable(), &mut out);
    out
}

/// The recursion is as deep as the JSON, and [`is_json`] has refused what is deeper than 128.
fn push_sorted(tokens: &mut Peekable<Tokens<'_>>, out: &mut String) {
    match tokens.next() {
        Some(Token::Mark('{')) => {
            let mut members: Vec<(String, String)> = Vec::new();
            loop {
                match tokens.next() {
                    Some(Token::Text(raw)) => {
                        let key = serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned());
                        let mut member = raw.to_owned();
                        member.push(':');
                        tokens.next();
                        push_sorted(tokens, &mut member);
                        members.push((key, member));
                    }
                    Some(Token::Mark(',')) => {}
                    Some(_) | None => break,
                }
            }
            members.sort_by(|left, right| left.0.cmp(&right.0));
            out.push('{');
            for (at, (_, member)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(member);
            }
            out.push('}');
        }
        Some(Token::Mark('[')) => {
            out.push('[');
            loop {
                match tokens.peek() {
                    Some(Token::Mark(',')) => {
                        out.push(',');
                        tokens.next();
                    }
                    Some(Token::Mark(']')) | None => break,
                    Some(_) => push_sorted(tokens, out),
                }
            }
            tokens.next();
            out.push(']');
        }
        Some(Token::Text(raw) | Token::Atom(raw)) => out.push_str(raw),
        Some(Token::Mark(_)) | None => {}
    }
}

fn break_line(out: &mut String, spacing: Spacing, depth: usize) {
    if let Spacing::Pretty(indent) = spacing {
        out.push('\n');
        for _ in 0..depth {
            out.push_str(indent);
        }
    }
}

fn push_text(out: &mut String, raw: &str, escapes: Escapes) {
    // Most texts have nothing to unescape or escape, and those need not be taken apart.
    let is_plain = raw
        .bytes()
        .skip(1)
        .take(raw.len().saturating_sub(2))
        .all(|byte| (b' '..0x7f).contains(&byte) && byte != b'\\' && !escapes.covers(char::from(byte)));
    if is_plain {
        out.push_str(raw);
        return;
    }
    // Half a surrogate pair has no characters; such a text stays what it is.
    let decoded = (escapes != Escapes::AsIs).then(|| serde_json::from_str::<String>(raw).ok());
    let Some(decoded) = decoded.flatten() else {
        out.push_str(raw);
        return;
    };
    out.push('"');
    for character in decoded.chars() {
        match character {
            // Only what was escaped before can be a quotation mark, so such a text is never taken for a plain one.
            '"' if escapes == Escapes::AsciiAndHtml => out.push_str("\\u0022"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '/' if escapes.covers('/') => out.push_str("\\/"),
            _ if character < ' ' || escapes.covers(character) => push_escape(out, character, escapes),
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn push_escape(out: &mut String, character: char, escapes: Escapes) {
    // .NET writes all its hex digits in upper case, Meta those of ASCII characters.
    let is_upper = escapes == Escapes::AsciiAndHtml || (escapes == Escapes::Meta && character.is_ascii());
    for unit in character.encode_utf16(&mut [0; 2]) {
        let hex = if is_upper {
            format!("\\u{unit:04X}")
        } else {
            format!("\\u{unit:04x}")
        };
        out.push_str(&hex);
    }
}

/// A piece of JSON, with what stands between the pieces left out.
enum Token<'a> {
    /// One of `{ } [ ] , :`.
    Mark(char),
    /// A text with its quotation marks.
    Text(&'a str),
    /// A number, `true`, `false` or `null`.
    Atom(&'a str),
}

/// Takes JSON apart. What is not JSON makes strange tokens and no trouble.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        // Every length ends behind an ASCII character or before one, or at the end.
        let (token, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        token
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let first = self.rest.chars().next()?;
        Some(match first {
            '{' | '}' | '[' | ']' | ',' | ':' => {
                self.take(1);
                Token::Mark(first)
            }
            '"' => {
                let length = text_length(self.rest.as_bytes());
                Token::Text(self.take(length))
            }
            _ => {
                let ends =
                    |c: char| matches!(c, '{' | '}' | '[' | ']' | ',' | ':' | '"') || c.is_ascii_whitespace();
                let length = self.rest.find(ends).unwrap_or(self.rest.len());
                // A control character that is white space here and not in JSON would make an empty token for ever.
                let length = length.max(first.len_utf8());
                Token::Atom(self.take(length))
            }
        })
    }
}

/// The length of the text that starts at the quotation mark in front, with both marks.
fn text_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str =
        r#"{ "b":[1.0, -0e+1 ,{}] , "a" : "\u00e9é/<\n\"" , "":[[ ],null,true], "\ud800":"x"}"#;

    fn write(spacing: Spacing, escapes: Escapes) -> String {
        rewritten(TEXT, spacing, escapes).unwrap()
    }

    #[test]
    fn texts_come_out_as_the_libraries_write_them() {
        // JavaScript, Python, PHP twice and Go wrote these of the same value; .NET and Meta as they document it.
        let ours = r#"{"a":"é😀/<>&'+@%","b":[1,{},[]]}"#;
        for (spacing, escapes, theirs) in [
            (
                Spacing::Compact,
                Escapes::Fewest,
                r#"{"a":"é😀/<>&'+@%","b":[1,{},[]]}"#,
            ),
            (
                Spacing::Python,
                Escapes::Ascii,
                r#"{"a": "\u00e9\ud83d\ude00/<>&'+@%", "b": [1, {}, []]}"#,
            ),
            (
                Spacing::Compact,
                Escapes::AsciiAndSlash,
                r#"{"a":"\u00e9\ud83d\ude00\/<>&'+@%","b":[1,{},[]]}"#,
            ),
            (
                Spacing::Compact,
                Escapes::Slash,
                r#"{"a":"é😀\/<>&'+@%","b":[1,{},[]]}"#,
            ),
            (
                Spacing::Compact,
                Escapes::Html,
                r#"{"a":"é😀/\u003c\u003e\u0026'+@%","b":[1,{},[]]}"#,
            ),
            (
                Spacing::Compact,
                Escapes::AsciiAndHtml,
                r#"{"a":"\u00E9\uD83D\uDE00/\u003C\u003E\u0026\u0027\u002B@%","b":[1,{},[]]}"#,
            ),
            (
                Spacing::Compact,
                Escapes::Meta,
                r#"{"a":"\u00e9\ud83d\ude00\/\u003C>&'+\u0040\u0025","b":[1,{},[]]}"#,
            ),
        ] {
            assert_eq!(rewritten(ours, spacing, escapes).unwrap(), theirs);
        }
        assert_eq!(
            rewritten(ours, Spacing::Pretty("  "), Escapes::AsIs).unwrap(),
            "{\n  \"a\": \"é😀/<>&'+@%\",\n  \"b\": [\n    1,\n    {},\n    []\n  ]\n}"
        );
    }

    #[test]
    fn numbers_order_and_half_surrogates_survive() {
        assert_eq!(
            write(Spacing::Compact, Escapes::Fewest),
            r#"{"b":[1.0,-0e+1,{}],"a":"éé/<\n\"","":[[],null,true],"\ud800":"x"}"#
        );
        assert_eq!(
            with_sorted_keys(TEXT),
            r#"{"":[[],null,true],"\ud800":"x","a":"\u00e9é/<\n\"","b":[1.0,-0e+1,{}]}"#
        );
    }

    #[test]
    fn indentation_does_not_blow_a_body_up() {
        let deep = format!("[{}1{}]", "[".repeat(120).as_str(), "]".repeat(120));
        let wide = format!("[{}1]", format!("{deep},").repeat(2000));
        assert!(is_json(&wide));
        assert_eq!(rewritten(&wide, Spacing::Pretty("    "), Escapes::AsIs), None);
    }

    proptest! {
        #[test]
        fn writing_json_again_keeps_its_value(
            text in "\\{(\"[a-c]{1,2}\":(1|\"[ -~&&[^\"\\\\]]{0,5}\"|\\[1,2\\]|\\{\"z\":\"é\"\\}),){0,4}\"k\":null\\}",
            spacing in 0..Spacing::ALL.len(),
            escapes in 0..Escapes::ALL.len(),
        ) {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            for text in [text.clone(), with_sorted_keys(&text)] {
                let again = rewritten(&text, Spacing::ALL[spacing], Escapes::ALL[escapes]).unwrap();
                prop_assert!(is_json(&again), "{again}");
                if text.matches("\"k\"").count() == 1 {
                    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
                    prop_assert_eq!(again.get("k"), value.get("k"));
                }
            }
        }

        #[test]
        fn nothing_makes_the_writer_panic_or_hang(text in "[\\[\\]{},:\"\\\\ua0é\u{b}\u{c} \n]{0,60}") {
            for spacing in Spacing::ALL {
                for escapes in Escapes::ALL {
                    let _ = rewritten(&text, spacing, escapes);
                }
            }
            if is_json(&text) {
                let _ = with_sorted_keys(&text);
            }
        }
    }
}
