//! Requests of strangers: no header, body or clock makes `verify` panic, and nothing that carries no meaning
//! changes its verdict. An input is a [`Situation`].

#![no_main]

use hookwright_core::{ErrorKind, Request, Scheme, Secret, Tolerance, Verifier};
use hookwright_fuzz::{Situation, Text};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    match examine(input) {
        Some(()) => Corpus::Keep,
        None => Corpus::Reject,
    }
});

/// `None` when there is no verifier for the first two lines.
fn examine(input: &[u8]) -> Option<()> {
    let situation = Situation::read(input)?;
    let scheme = Scheme::builtin(situation.scheme)?;
    let secrets: Result<Vec<_>, _> = situation.secrets.iter().map(|text| Secret::parse(text)).collect();
    let verifier = Verifier::for_scheme(&scheme, &secrets.ok()?).ok()?;
    let Situation { now, method, url, .. } = situation;
    let Text { headers, body } = situation.text;

    let verdict = |verifier: &Verifier, headers: &[(&str, &[u8])], body: &[u8], now| {
        let request = Request {
            method,
            url,
            headers,
            body,
        };
        let verdict = verifier.verify(&request, now);
        if let Err(error) = &verdict {
            assert!(!error.to_string().is_empty());
        }
        verdict.map(drop).map_err(|error| error.kind())
    };
    let first = verdict(&verifier, &headers, body, now);

    // Names have no case and an order among different names means nothing; strange headers mean nothing at all.
    let recased: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_uppercase(), *value))
        .collect();
    let mut noisy: Vec<(&str, &[u8])> = vec![("x-unrelated", b"\xff,v1=t=0 ".as_slice())];
    noisy.extend(recased.iter().map(|(name, value)| (name.as_str(), *value)));
    assert_eq!(verdict(&verifier, &noisy, body, now), first);

    let off = verifier.clone().with_tolerance(Tolerance::Off);
    let without_clock = verdict(&off, &headers, body, now);
    match first {
        // Only an authentic message is ever called old or new, and then the clock is all that is wrong with it.
        Ok(()) | Err(ErrorKind::TimestampTooOld | ErrorKind::TimestampTooNew) => {
            assert_eq!(without_clock, Ok(()));
            let mut longer = body.to_vec();
            longer.push(b'x');
            assert_eq!(
                verdict(&off, &headers, &longer, now),
                Err(ErrorKind::SignatureMismatch)
            );
            let twice: Vec<_> = headers.iter().chain(&headers).copied().collect();
            assert_eq!(verdict(&off, &twice, body, now), Err(ErrorKind::DuplicateHeader));
        }
        // A time in the body is read after the signature is checked, and only when somebody asks how old it is.
        Err(ErrorKind::InvalidTimestamp) if without_clock == Ok(()) => assert!(scheme.has_timestamp()),
        Err(kind) => assert_eq!(without_clock, Err(kind)),
    }
    Some(())
}
