//! The handshakes that come with the crate: one file of data each, in `crates/core/handshakes`.

use std::sync::{Arc, OnceLock};

use super::Handshake;

/// All built-in handshakes, parsed on first use, in the order of [`NAMES`].
pub(super) fn all() -> &'static [Arc<Handshake>] {
    static PARSED: OnceLock<Vec<Arc<Handshake>>> = OnceLock::new();
    PARSED.get_or_init(|| {
        // The files are compiled in and a test below parses each of them, so this cannot fail in a release.
        TEXTS
            .iter()
            .map(|text| Arc::new(Handshake::from_toml(text).expect("built-in handshakes parse")))
            .collect()
    })
}

// Written by `build.rs` from the files in the folder.
include!(concat!(env!("OUT_DIR"), "/handshakes.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_handshake_parses_and_is_called_what_its_file_is_called() {
        assert!(NAMES.is_sorted());
        for (name, text) in NAMES.iter().zip(TEXTS) {
            let handshake = Handshake::from_toml(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(handshake.name(), *name);
        }
    }

    #[test]
    fn a_scheme_has_at_most_one_handshake() {
        let mut schemes: Vec<&str> = all().iter().flat_map(|handshake| handshake.schemes()).collect();
        let count = schemes.len();
        schemes.sort_unstable();
        schemes.dedup();
        assert_eq!(schemes.len(), count);
    }
}
