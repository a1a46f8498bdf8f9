//! The mutations.

use hookwright_core::{MAX_SECRETS, MAX_SIGNATURE_ITEMS, Scheme, Tolerance, Verifier};

use crate::Ledger;
use crate::description::{Description, Role};
use crate::oracle::{Expect, MISMATCH, Oracle, has_other_name, header, is_timestamp};
use crate::vector::{Case, Vector, verifier};

/// Bodies up to this long have every bit flipped, longer ones as many bits spread over them.
const BODY_BITS: usize = 256 * 8;

/// Changes that mean nothing and must not change any verdict, be it good or bad.
pub(crate) fn noise(
    vector: &Vector,
    description: &Description,
    verifier: &Verifier,
    expect: Expect,
    ledger: &mut Ledger,
) {
    let case = vector.case();
    let mut check = |what: &str, changed: Case| {
        ledger.expect(|| format!("{}: {what}", vector.id), &changed, verifier, expect);
    };
    for by in 0..case.headers.len() {
        let mut case = case.clone();
        case.headers.rotate_left(by);
        check("headers rotated", case);
    }
    let mut turned = case.clone();
    turned.headers.reverse();
    check("headers reversed", turned);
    for recase in [upper, lower, mixed] {
        let mut case = case.clone();
        for (name, _) in &mut case.headers {
            *name = recase(name);
        }
        check("header names in another case", case);
    }
    for (name, _) in &case.headers {
        // Names that a careless comparison takes for one that is read.
        for unknown in [
            format!("{name}x"),
            format!("x-{name}"),
            format!("{name} "),
            name.replace('-', "_"),
        ] {
            if unknown != *name && description.role(&unknown).is_none() {
                for at in [0, case.headers.len()] {
                    let mut case = case.clone();
                    case.headers
                        .insert(at, (unknown.clone(), b"v1,AAAA v1=00,t=1".to_vec()));
                    check("an unknown header", case);
                }
            }
        }
    }
    let mut crowded = case.clone();
    for n in 0..200 {
        crowded.headers.insert(
            n % (case.headers.len() + 1),
            (format!("x-noise-{n}"), vec![0xff; n]),
        );
    }
    check("many unknown headers", crowded);
}

fn upper(name: &str) -> String {
    name.to_ascii_uppercase()
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn mixed(name: &str) -> String {
    let letters = name.char_indices();
    letters
        .map(|(at, letter)| {
            if at % 2 == 0 {
                letter.to_ascii_lowercase()
            } else {
                letter.to_ascii_uppercase()
            }
        })
        .collect()
}

/// A vector that is good, and what all mutations of it need.
struct Good<'a> {
    id: &'a str,
    scheme: &'a Scheme,
    description: &'a Description,
    case: Case,
    verifier: &'a Verifier,
    oracle: Oracle<'a>,
    /// The one secret that matches.
    secret: &'a str,
    ledger: &'a mut Ledger,
}

/// Changes to a request that verifies, each with the verdict that it deserves.
pub(crate) fn tampering(
    vector: &Vector,
    scheme: &Scheme,
    description: &Description,
    verifier: &Verifier,
    ledger: &mut Ledger,
) {
    let case = vector.case();
    let Ok(secret_index) = case.verdict(verifier) else {
        return;
    };
    let mut good = Good {
        id: &vector.id,
        scheme,
        description,
        oracle: Oracle::new(description, &case, |case| case.verdict(verifier).is_ok()),
        case,
        verifier,
        secret: &vector.secrets[secret_index],
        ledger,
    };
    good.presence();
    good.names();
    good.values();
    good.items();
    good.body();
    good.request_line();
    good.timestamps();
    good.clocks();
    good.secrets();
}

impl Good<'_> {
    fn check(&mut self, what: impl FnOnce() -> String, case: &Case, expect: Expect) {
        let id = self.id;
        self.ledger
            .expect(|| format!("{id}: {}", what()), case, self.verifier, expect);
    }

    /// The positions of the headers that the scheme reads.
    fn read_headers(&self) -> Vec<(usize, Role)> {
        let headers = self.case.headers.iter().enumerate();
        headers
            .filter_map(|(at, (name, _))| Some((at, self.description.role(name)?)))
            .collect()
    }

    /// Dropped, emptied and repeated headers.
    fn presence(&mut self) {
        for (at, _) in self.read_headers() {
            let absent = if has_other_name(self.description, &self.case, at) {
                Expect::Ok
            } else {
                Expect::Code("missing_header")
            };
            let name = self.case.headers[at].0.clone();
            let mut case = self.case.clone();
            case.headers.remove(at);
            self.check(|| format!("without {name}"), &case, absent);
            let mut case = self.case.clone();
            case.headers[at].1.clear();
            self.check(|| format!("{name} is empty"), &case, absent);
            let mut case = self.case.clone();
            case.headers[at].0.push('x');
            self.check(|| format!("{name} has a longer name"), &case, absent);

            let value = self.case.headers[at].1.clone();
            let mut other = value.clone();
            other.push(b'0');
            for (what, second) in [("same", value), ("another", other), ("an empty", Vec::new())] {
                for position in [0, at, at + 1, self.case.headers.len()] {
                    for spelling in [name.clone(), upper(&name), lower(&name), mixed(&name)] {
                        let mut case = self.case.clone();
                        case.headers.insert(position, (spelling, second.clone()));
                        let expect = Expect::Code("duplicate_header");
                        self.check(|| format!("{name} twice, {what} value"), &case, expect);
                    }
                }
            }
        }
    }

    /// Further names of one header.
    fn names(&mut self) {
        for (at, role) in self.read_headers() {
            for alias in self.description.names(role) {
                if self
                    .case
                    .headers
                    .iter()
                    .any(|(name, _)| name.eq_ignore_ascii_case(alias))
                {
                    continue;
                }
                let mut case = self.case.clone();
                case.headers[at].0.clone_from(alias);
                // With a third name for the same thing still there, both say the same.
                self.check(|| format!("renamed to {alias}"), &case, Expect::Ok);
                let value = self.case.headers[at].1.clone();
                let mut other = value.clone();
                other.push(b'0');
                for (what, second, expect) in [
                    ("the same value", value, Expect::Ok),
                    ("another value", other, Expect::Code("duplicate_header")),
                    ("no value", Vec::new(), Expect::Ok),
                ] {
                    for position in [0, self.case.headers.len()] {
                        let mut case = self.case.clone();
                        case.headers.insert(position, (alias.clone(), second.clone()));
                        self.check(|| format!("also {alias} with {what}"), &case, expect);
                    }
                }
            }
        }
    }

    /// Cut, extended and flipped header values.
    fn values(&mut self) {
        for at in 0..self.case.headers.len() {
            let name = self.case.headers[at].0.clone();
            let original = self.case.headers[at].1.clone();
            let mut values = Vec::new();
            for length in 1..original.len() {
                values.push(original[..length].to_vec());
                values.push(original[length..].to_vec());
            }
            for bit in 0..original.len() * 8 {
                values.push(flipped(&original, bit));
            }
            for extra in [
                b" ".as_slice(),
                b"\t",
                b"\0",
                b"\n",
                b"\r\n",
                b"0",
                b"=",
                b",",
                b";",
                b"z",
                b"\xff",
                b"\xc3\xa9",
                b"AAAA",
                b", ",
                b".",
                b"+",
            ] {
                values.push([&original, extra].concat());
                values.push([extra, &original].concat());
            }
            values.push([original.as_slice(), &original].concat());
            for value in values {
                let expect = self.oracle.value(&self.case, at, &value);
                let mut case = self.case.clone();
                case.headers[at].1.clone_from(&value);
                self.check(
                    || format!("{name} is {:?}", String::from_utf8_lossy(&value)),
                    &case,
                    expect,
                );
            }
        }
    }

    /// Items of the signature header added, moved, removed and relabelled.
    fn items(&mut self) {
        let Some(at) = header(self.description, &self.case, Role::Signature) else {
            return;
        };
        if has_other_name(self.description, &self.case, at) {
            return;
        }
        let signature = &self.description.signature;
        let line = self.case.headers[at].1.clone();
        let items = signature.items(&line);
        let mut lines: Vec<Vec<u8>> = Vec::new();
        if let Some(tag_separator) = signature.tag_separator() {
            // Every signature under a tag that the scheme does not know, which is what a weaker version looks like.
            for tag in ["v9", "v0", "sha1", "sha512", "V1", "", "v1a"] {
                if signature.keys.contains_key(tag) {
                    continue;
                }
                let relabelled: Vec<Vec<u8>> = items
                    .iter()
                    .map(|item| match signature.split(item) {
                        Some((_, text)) if signature.timestamp(item).is_none() => {
                            [tag.as_bytes(), &[tag_separator], text].concat()
                        }
                        _ => item.to_vec(),
                    })
                    .collect();
                lines.push(signature.join(&relabelled.iter().map(Vec::as_slice).collect::<Vec<_>>()));
            }
        }
        if let Some(separator) = signature.item_separator() {
            let strange: [&[u8]; 6] = [b"v9=00", b"v9,AAAA", b"v0=", b"=", b"rubbish", b"\xff\xfe"];
            for position in 0..=items.len() {
                for added in strange.iter().chain(&items) {
                    let mut more = items.clone();
                    more.insert(position, *added);
                    lines.push(signature.join(&more));
                }
            }
            for removed in 0..items.len() {
                let mut fewer = items.clone();
                fewer.remove(removed);
                lines.push(signature.join(&fewer));
            }
            let mut turned = items.clone();
            turned.reverse();
            lines.push(signature.join(&turned));
            for gap in [vec![separator; 2], vec![separator, b' '], vec![b' ', separator]] {
                lines.push(items.join(gap.as_slice()));
            }
            lines.push([&[separator], line.as_slice(), &[separator]].concat());
            for length in [MAX_SIGNATURE_ITEMS, MAX_SIGNATURE_ITEMS + 1, 200] {
                let mut many = vec![b"x9".as_slice(); length.saturating_sub(items.len())];
                many.extend(&items);
                lines.push(signature.join(&many));
            }
        }
        for line in lines.iter().filter(|line| !line.is_empty()) {
            let expect = self.oracle.line(line);
            let mut case = self.case.clone();
            case.headers[at].1.clone_from(line);
            self.check(
                || format!("signature header is {:?}", String::from_utf8_lossy(line)),
                &case,
                expect,
            );
        }
    }

    /// Flipped, cut and extended bodies.
    fn body(&mut self) {
        let original = self.case.body.clone();
        let mut case = self.case.clone();
        for bit in spread(original.len() * 8, BODY_BITS) {
            case.body = flipped(&original, bit);
            let expect = self.oracle.body(&case.body);
            self.check(|| format!("body with bit {bit} flipped"), &case, expect);
        }
        let mut bodies: Vec<Vec<u8>> = spread(original.len(), 64)
            .flat_map(|length| [original[..length].to_vec(), original[length..].to_vec()])
            .collect();
        for extra in [
            b" ".as_slice(),
            b"\n",
            b"\r\n",
            b"\t",
            b"\0",
            b"0",
            b".",
            b",",
            b"&",
            b"&&",
            b"=",
            b"\xef\xbb\xbf",
            b"{}",
        ] {
            bodies.push([&original, extra].concat());
            bodies.push([extra, &original].concat());
        }
        bodies.push([original.as_slice(), &original].concat());
        bodies.push(original.to_ascii_uppercase());
        bodies.push(original.iter().rev().copied().collect());
        for body in bodies.into_iter().filter(|body| *body != original) {
            case.body = body;
            let expect = self.oracle.body(&case.body);
            let length = case.body.len();
            self.check(|| format!("another body of {length} bytes"), &case, expect);
        }
    }

    /// Another URL or method, which count where they are signed.
    fn request_line(&mut self) {
        let signed = |variable| {
            if self.description.signs(variable) {
                MISMATCH
            } else {
                Expect::Ok
            }
        };
        let (url, method) = (signed("url"), signed("method"));
        let original = self.case.url.clone();
        for other in [
            format!("{original}/"),
            format!("{original}?x=1"),
            format!("{original}&x=1"),
            format!("{original}#x"),
            format!(" {original}"),
            original.replacen("http", "HTTP", 1),
            original[..original.len() - 1].to_owned(),
            String::new(),
        ] {
            let mut case = self.case.clone();
            case.url.clone_from(&other);
            self.check(|| format!("URL is {other}"), &case, url);
        }
        for other in ["PUT", "post", "POST ", ""] {
            let mut case = self.case.clone();
            other.clone_into(&mut case.method);
            self.check(|| format!("method is {other}"), &case, method);
        }
    }

    /// The timestamp in other words.
    fn timestamps(&mut self) {
        let Some(text) = self.oracle.timestamp.clone() else {
            return;
        };
        let text = String::from_utf8(text).unwrap();
        let number: i64 = text.parse().unwrap();
        for other in [
            (number + 1).to_string(),
            (number - 1).to_string(),
            (number + 300).to_string(),
            (number * 1000).to_string(),
            (number / 1000).to_string(),
            "0".to_owned(),
            "9999999999999999".to_owned(),
            "10000000000000000".to_owned(),
            i64::MAX.to_string(),
            i64::MIN.to_string(),
            format!("0{text}"),
            format!("+{text}"),
            format!("-{text}"),
            format!("{text}.0"),
            format!("{text}e0"),
            format!("{text}_0"),
            format!("{text}\0"),
            format!("0x{number:x}"),
            format!("{}\u{0661}", &text[..text.len() - 1]),
        ] {
            let expect = if is_timestamp(other.as_bytes()) {
                MISMATCH
            } else {
                Expect::Code("invalid_timestamp")
            };
            let case = self.restamped(other.as_bytes());
            self.check(|| format!("timestamp is {other:?}"), &case, expect);
        }
    }

    /// The request with another timestamp, wherever the scheme puts it.
    fn restamped(&self, text: &[u8]) -> Case {
        let signature = &self.description.signature;
        let mut case = self.case.clone();
        for (name, value) in &mut case.headers {
            match self.description.role(name) {
                Some(Role::Timestamp) => *value = text.to_vec(),
                Some(Role::Signature) if signature.ts_key.is_some() => {
                    let tag = signature.ts_key.as_deref().unwrap_or_default().as_bytes();
                    let stamp = [tag, signature.tag_separator().as_slice(), text].concat();
                    let items: Vec<&[u8]> = signature
                        .items(value)
                        .into_iter()
                        .map(|item| signature.timestamp(item).map_or(item, |_| &stamp))
                        .collect();
                    *value = signature.join(&items);
                }
                _ => {}
            }
        }
        case
    }

    /// Other clocks and tolerances.
    fn clocks(&mut self) {
        let scheme_default = self.description.timestamp.as_ref().and_then(|t| t.tolerance);
        let tolerances = [
            (Tolerance::SchemeDefault, scheme_default),
            (Tolerance::Off, None),
            (Tolerance::Seconds(0), Some(0)),
            (Tolerance::Seconds(1), Some(1)),
            (Tolerance::Seconds(300), Some(300)),
            (Tolerance::Seconds(u32::MAX), Some(u32::MAX)),
        ];
        let unit = self.description.timestamp.as_ref().map_or(1, |t| t.unit);
        let stamp = self.oracle.time.map(|time| (time, unit));
        for (tolerance, seconds) in tolerances {
            let mut clocks = vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
            if let (Some((stamp, unit)), Some(seconds)) = (stamp, seconds) {
                let span = i64::from(seconds) * unit;
                // The last clocks that tolerate the timestamp, and their neighbours.
                let latest = (stamp + span).div_euclid(unit);
                let earliest = -(span - stamp).div_euclid(unit);
                clocks.extend([
                    latest - 1,
                    latest,
                    latest + 1,
                    earliest - 1,
                    earliest,
                    earliest + 1,
                ]);
            }
            for now in clocks {
                let expect = match (stamp, seconds) {
                    (Some((stamp, unit)), Some(seconds)) => {
                        let age = i128::from(now) * i128::from(unit) - i128::from(stamp);
                        if age > i128::from(seconds) * i128::from(unit) {
                            Expect::Code("timestamp_too_old")
                        } else if -age > i128::from(seconds) * i128::from(unit) {
                            Expect::Code("timestamp_too_new")
                        } else {
                            Expect::Ok
                        }
                    }
                    _ => Expect::Ok,
                };
                let mut case = self.case.clone();
                (case.now, case.tolerance) = (now, tolerance);
                self.check(|| format!("{tolerance:?} at {now}"), &case, expect);
                // A forged message is never called old: that would be a statement about a number anyone can write.
                case.body.push(b'x');
                self.check(|| format!("forged, {tolerance:?} at {now}"), &case, MISMATCH);
            }
        }
    }

    /// Other secrets, and the right one among them.
    fn secrets(&mut self) {
        let stranger = stranger(self.description.secret.as_deref(), self.secret);
        let alone = verifier(self.scheme, &[&stranger]).and_then(|verifier| self.case.verdict(&verifier));
        let id = self.id;
        // A key of the same kind finds signatures to compare; it is not told that there is nothing for it.
        self.ledger.note(alone == Err("signature_mismatch"), || {
            format!("{id}: another secret: {alone:?}")
        });
        for length in [2, 3, MAX_SECRETS] {
            for right in 0..length {
                let mut secrets = vec![stranger.as_str(); length];
                secrets[right] = self.secret;
                let verdict = verifier(self.scheme, &secrets).and_then(|v| self.case.verdict(&v));
                self.ledger.note(verdict == Ok(right), || {
                    format!("{id}: secret {right} of {length}: {verdict:?}")
                });
            }
        }
        let too_many = verifier(self.scheme, &[self.secret; MAX_SECRETS + 1]).err();
        self.ledger.note(too_many == Some("invalid_secret"), || {
            format!("{id}: too many secrets: {too_many:?}")
        });
    }
}

/// A secret of the same kind that is not the same.
fn stranger(kind: Option<&str>, text: &str) -> String {
    // Public keys cannot be made by changing one: these are from RFC 8032, section 7.1, test 2, and RFC 6979,
    // appendix A.2.5.
    const ED25519_HEX: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const ED25519_BASE64: &str = "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=";
    const P256_SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8ma\
                             Qa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";
    if text.starts_with("whpk_") || text.starts_with("whsk_") {
        return ED25519_BASE64.to_owned();
    }
    match kind {
        Some("whsec") => "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgMzIgYnl0ZXM=".to_owned(),
        Some("hex") => ED25519_HEX.to_owned(),
        Some("base64") => P256_SPKI.to_owned(),
        _ => format!("{text}x"),
    }
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// All numbers below `end`, or `most` of them, evenly spread.
fn spread(end: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = end.min(most);
    (0..count).map(move |n| n * end / count)
}
