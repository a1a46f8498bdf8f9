//! The schemes that come with the crate: one file of data each, in `crates/core/schemes`.

use std::sync::{Arc, OnceLock};

use super::Scheme;

/// The built-in scheme of that name, parsed on first use.
pub(super) fn find(name: &str) -> Option<Arc<Scheme>> {
    static PARSED: OnceLock<Vec<Arc<Scheme>>> = OnceLock::new();
    let at = NAMES.binary_search(&name).ok()?;
    let schemes = PARSED.get_or_init(|| {
        // The files are compiled in and a test below parses each of them, so this cannot fail in a release.
        TEXTS
            .iter()
            .map(|text| Arc::new(Scheme::from_toml(text).expect("built-in schemes parse")))
            .collect()
    });
    schemes.get(at).cloned()
}

// Written by `build.rs` from the files in the folder.
include!(concat!(env!("OUT_DIR"), "/schemes.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scheme_parses_and_is_called_what_its_file_is_called() {
        assert!(NAMES.is_sorted());
        for (name, text) in NAMES.iter().zip(TEXTS) {
            let scheme = Scheme::from_toml(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(scheme.name(), *name);
            assert!(find(name).is_some());
        }
        assert!(find("no-such-scheme").is_none());
    }
}
