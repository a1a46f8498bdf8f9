//! Every request of the shared vectors, changed in every way that a proxy, an attacker or a bug would change it.
//!
//! If one of these fails, a receiver accepts a request that someone touched, or refuses a genuine one because of
//! something that means nothing, such as the order of headers. The rules know a request and the description of its
//! scheme, never a particular platform: a new vector is mutated without a line of code.
//!
//! `HOOKWRIGHT_VECTORS` names a further file of vectors to mutate.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

mod description;
mod mutate;
mod oracle;
mod vector;

use std::path::PathBuf;

use hookwright_core::{Scheme, Verifier};

use crate::description::Descriptions;
use crate::mutate::{noise, tampering};
use crate::oracle::Expect;
use crate::vector::{Case, Vector, verifier};

#[test]
fn no_mutation_of_a_vector_gets_a_wrong_verdict() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    for file in ["requests.json", "more_requests.json"] {
        replay(&folder.join(file));
    }
}

#[test]
fn no_mutation_of_a_vector_in_the_named_file_gets_a_wrong_verdict() {
    if let Some(path) = std::env::var_os("HOOKWRIGHT_VECTORS") {
        replay(&PathBuf::from(path));
    }
}

/// Counts what ran and remembers what went wrong.
pub(crate) struct Ledger {
    ran: usize,
    failures: Vec<String>,
}

impl Ledger {
    /// Holds the verdict on a case against the one that it deserves.
    pub(crate) fn expect(
        &mut self,
        what: impl FnOnce() -> String,
        case: &Case,
        verifier: &Verifier,
        expect: Expect,
    ) {
        let verdict = case.verdict(verifier);
        self.note(expect.accepts(verdict), || {
            format!("{}: {verdict:?}, expected {expect:?}", what())
        });
    }

    pub(crate) fn note(&mut self, holds: bool, what: impl FnOnce() -> String) {
        self.ran += 1;
        if !holds {
            self.failures.push(what());
        }
    }
}

fn replay(path: &PathBuf) {
    let vectors = vector::read(path);
    let descriptions = Descriptions::read();
    let mut ledger = Ledger {
        ran: 0,
        failures: Vec::new(),
    };
    let mut fewest = usize::MAX;
    for vector in &vectors {
        let Some(scheme) = Scheme::builtin(&vector.scheme) else {
            continue;
        }; // TEMPORARY
        let before = ledger.ran;
        examine(vector, &scheme, &descriptions, &mut ledger);
        if vector.is_ok() {
            fewest = fewest.min(ledger.ran - before);
        }
    }
    println!(
        "{}: {} mutations of {} vectors, at least {fewest} of each good one",
        path.file_name().unwrap_or_default().display(),
        ledger.ran,
        vectors.len()
    );
    assert!(
        ledger.failures.is_empty(),
        "{} of {} mutations got a wrong verdict:\n{}",
        ledger.failures.len(),
        ledger.ran,
        ledger.failures[..ledger.failures.len().min(40)].join("\n")
    );
}

fn examine(vector: &Vector, scheme: &Scheme, descriptions: &Descriptions, ledger: &mut Ledger) {
    let description = descriptions.find(&vector.scheme);
    let case = vector.case();
    let verifier = match verifier(scheme, &vector.secrets) {
        Ok(verifier) => verifier,
        Err(code) => {
            ledger.note(vector.accepts(code), || format!("{}: {code}", vector.id));
            return;
        }
    };
    let verdict = case.verdict(&verifier);
    let code = verdict.err().unwrap_or("ok");
    ledger.note(vector.accepts(code), || format!("{}: {code}", vector.id));
    let unchanged = verdict.map_or_else(Expect::Code, |_| Expect::Ok);
    noise(vector, &description, &verifier, unchanged, ledger);
    if verdict.is_ok() && vector.is_ok() {
        tampering(vector, scheme, &description, &verifier, ledger);
    }
}
