//! Headers on their way in.
//!
//! Both sides know beforehand which headers matter, so that only values travel: one string, a line per header.

use hookwright_core::{EventFields, Profile, Request, Scheme};

/// Most headers that are read on the stack. Three schemes with two names for everything need eighteen.
pub(crate) const MAX_SLOTS: usize = 32;

/// Which headers an endpoint reads.
pub(crate) struct Slots {
    names: Box<[Box<str>]>,
    schemes: Box<[Box<str>]>,
}

impl Slots {
    pub(crate) fn of_scheme(scheme: &Scheme) -> Self {
        Self::new(&[scheme], Vec::new())
    }

    pub(crate) fn of_profile(profile: &Profile) -> Self {
        let schemes: Vec<_> = std::iter::once(&*profile.scheme)
            .chain(profile.also_sign.iter().map(|scheme| &**scheme))
            .collect();
        // Which headers there are does not depend on the event, as long as HTTP can carry their values.
        let any = EventFields {
            id: "id",
            event_type: "type",
            occurred_at_ms: 0,
            data: b"{}",
            extras: &[],
        };
        let extra = profile
            .extra_headers(&any)
            .iter()
            .map(|(name, _)| name.as_str().to_ascii_lowercase().into())
            .collect();
        Self::new(&schemes, extra)
    }

    fn new(schemes: &[&Scheme], extra: Vec<Box<str>>) -> Self {
        let headers = schemes.iter().flat_map(|scheme| scheme.headers());
        let signed = headers.map(|header| header.as_str().to_ascii_lowercase().into());
        Self {
            names: signed.chain(extra).collect(),
            schemes: schemes.iter().map(|scheme| scheme.name().into()).collect(),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.names.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn schemes(&self) -> Vec<String> {
        self.schemes.iter().map(ToString::to_string).collect()
    }

    /// The position of a scheme in [`schemes`](Self::schemes).
    pub(crate) fn scheme_index(&self, name: &str) -> Option<usize> {
        self.schemes.iter().position(|scheme| **scheme == *name)
    }

    /// The slot of a header.
    pub(crate) fn position(&self, header: &str) -> Option<usize> {
        self.names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(header))
    }

    /// Splits a line into headers, or answers `None` when it has too many or too few values, or when there are more
    /// headers than are read on the stack.
    pub(crate) fn read<'a>(&'a self, line: &'a str) -> Option<Headers<'a>> {
        if self.names.len() > MAX_SLOTS {
            return None;
        }
        let mut headers = Headers::default();
        let mut values = line.split('\n');
        for name in &self.names {
            headers.push(name, values.next()?);
        }
        values.next().is_none().then_some(headers)
    }
}

/// The headers of one request, on the stack.
pub(crate) struct Headers<'a> {
    pairs: [(&'a str, &'a [u8]); MAX_SLOTS],
    length: usize,
}

impl<'a> Headers<'a> {
    /// Absent headers are empty values here; the core treats the two alike and need not look at them at all.
    fn push(&mut self, name: &'a str, value: &'a str) {
        if let Some(pair) = self.pairs.get_mut(self.length)
            && !value.is_empty()
        {
            *pair = (name, value.as_bytes());
            self.length += 1;
        }
    }
}

impl Default for Headers<'_> {
    fn default() -> Self {
        Self {
            pairs: [("", b""); MAX_SLOTS],
            length: 0,
        }
    }
}

impl<'a> AsRef<[(&'a str, &'a [u8])]> for Headers<'a> {
    fn as_ref(&self) -> &[(&'a str, &'a [u8])] {
        &self.pairs[..self.length]
    }
}

/// Headers that came as names and values in turns.
pub(crate) fn listed(listed: &[String]) -> Vec<(&str, &[u8])> {
    let (pairs, _) = listed.as_chunks::<2>();
    pairs
        .iter()
        .map(|[name, value]| (name.as_str(), value.as_bytes()))
        .collect()
}

/// Method and URL of a request, for the schemes that sign them.
pub(crate) struct Target<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
}

impl<'a> Target<'a> {
    /// Reads `METHOD url`.
    pub(crate) fn parse(text: Option<&'a str>) -> Self {
        let (method, url) = text.and_then(|text| text.split_once(' ')).unwrap_or(("POST", ""));
        Self { method, url }
    }

    pub(crate) fn request<'r>(
        &self,
        headers: &'r impl AsRef<[(&'r str, &'r [u8])]>,
        body: &'r [u8],
    ) -> Request<'r>
    where
        'a: 'r,
    {
        Request {
            method: self.method,
            url: self.url,
            headers: headers.as_ref(),
            body,
        }
    }
}
