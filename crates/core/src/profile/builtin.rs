//! The profiles that come with the crate: one file of data each, in `crates/core/profiles`.

use std::sync::{Arc, OnceLock};

use super::Profile;

/// The built-in profile of that name, parsed on first use.
pub(super) fn find(name: &str) -> Option<Arc<Profile>> {
    static PARSED: [OnceLock<Arc<Profile>>; NAMES.len()] = [const { OnceLock::new() }; NAMES.len()];
    let at = NAMES.binary_search(&name).ok()?;
    let (slot, text) = (PARSED.get(at)?, TEXTS.get(at)?);
    // The files are compiled in and a test below parses each of them, so this cannot fail in a release.
    let profile = slot.get_or_init(|| Arc::new(Profile::from_toml(text).expect("built-in profiles parse")));
    Some(Arc::clone(profile))
}

// Written by `build.rs` from the files in the folder.
include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_parses_and_is_called_what_its_file_is_called() {
        assert!(NAMES.is_sorted());
        for (name, text) in NAMES.iter().zip(TEXTS) {
            let profile = Profile::from_toml(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(profile.name, *name);
            assert!(find(name).is_some());
        }
        assert!(find("no-such-profile").is_none());
    }
}
