//! Registries: the schemes and profiles that a program knows by name.
//!
//! Every registry has the built-in ones. A platform that is not among them is added from its description, and from
//! then on it is used like one that came with the crate:
//!
//! ```
//! use hookwright_core::Registry;
//!
//! let mut registry = Registry::builtin();
//! registry.add_scheme_toml(r#"
//!     name = "acme"
//!     content = "{body}"
//!     key = "utf8"
//!     algorithm = "hmac-sha256"
//!     [signature]
//!     headers = ["Acme-Signature"]
//!     encoding = "hex"
//! "#)?;
//! registry.add_profile_json(r#"{
//!     "name": "acme",
//!     "scheme": "acme",
//!     "event_id_prefix": "evt",
//!     "timeout": "10s",
//!     "schedule": { "delays": ["30s", "5m"] },
//!     "envelope": [{ "name": "type", "value": "type" }, { "name": "data", "value": "data" }]
//! }"#)?;
//! assert_eq!(registry.profile("acme").unwrap().scheme.name(), "acme");
//! assert_eq!(registry.find_scheme("strpe").unwrap_err().to_string(), "there is no scheme `strpe`; did you mean `stripe`?");
//! # Ok::<(), hookwright_core::RegistryError>(())
//! ```
//!
//! A name means one thing for as long as the program runs: what is built in cannot be replaced, and nothing can be
//! added twice. Schemes and profiles have names of their own, so a profile may be called what its scheme is called.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{NameError, RegistryError, UnknownName};
use crate::profile::Profile;
use crate::scheme::Scheme;

/// Longest name of a scheme or a profile, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// The schemes and profiles that a program knows: the built-in ones, and what was added.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Only what was added. The built-in ones are parsed once per process, and not once per registry.
    schemes: BTreeMap<Arc<str>, Arc<Scheme>>,
    profiles: BTreeMap<Arc<str>, Arc<Profile>>,
}

impl Registry {
    /// The registry of what is built in. Making one costs nothing.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// Adds a scheme from its description in TOML; the [`scheme`](crate::scheme) module has the format.
    pub fn add_scheme_toml(&mut self, text: &str) -> Result<Arc<Scheme>, RegistryError> {
        self.add_scheme(Scheme::from_toml(text)?)
    }

    /// Adds a scheme from its description in JSON, with the keys that it has in TOML.
    pub fn add_scheme_json(&mut self, text: &str) -> Result<Arc<Scheme>, RegistryError> {
        self.add_scheme(Scheme::from_json(text)?)
    }

    /// Adds a profile from its description in TOML; the [`profile`](crate::profile) module has the format. It may name
    /// schemes that were added before it.
    pub fn add_profile_toml(&mut self, text: &str) -> Result<Arc<Profile>, RegistryError> {
        self.add_profile(Profile::from_toml_with(text, self)?)
    }

    /// Adds a profile from its description in JSON, with the keys that it has in TOML.
    pub fn add_profile_json(&mut self, text: &str) -> Result<Arc<Profile>, RegistryError> {
        self.add_profile(Profile::from_json_with(text, self)?)
    }

    fn add_scheme(&mut self, scheme: Scheme) -> Result<Arc<Scheme>, RegistryError> {
        self.check_scheme_is_new(scheme.name())?;
        let scheme = Arc::new(scheme);
        self.schemes.insert(Arc::clone(&scheme.name), Arc::clone(&scheme));
        Ok(scheme)
    }

    fn add_profile(&mut self, profile: Profile) -> Result<Arc<Profile>, RegistryError> {
        let name = profile.name.as_str();
        if self.profile(name).is_some() {
            return Err(RegistryError::ProfileExists {
                is_builtin: Profile::builtin(name).is_some(),
                name: name.to_owned(),
            });
        }
        // A scheme that the profile describes in place is not added, but a verdict names it: two schemes of one name
        // could not be told apart there.
        let named = self.scheme(profile.scheme.name());
        if !named.is_some_and(|known| Arc::ptr_eq(&known, &profile.scheme)) {
            self.check_scheme_is_new(profile.scheme.name())?;
        }
        self.check_base_path_is_new(&profile)?;
        let profile = Arc::new(profile);
        self.profiles
            .insert(Arc::from(profile.name.as_str()), Arc::clone(&profile));
        Ok(profile)
    }

    fn check_scheme_is_new(&self, name: &str) -> Result<(), RegistryError> {
        if self.scheme(name).is_none() {
            return Ok(());
        }
        Err(RegistryError::SchemeExists {
            is_builtin: Scheme::builtin(name).is_some(),
            name: name.to_owned(),
        })
    }

    /// A path leads to one profile.
    fn check_base_path_is_new(&self, profile: &Profile) -> Result<(), RegistryError> {
        let Some(path) = base_path(profile) else {
            return Ok(());
        };
        let mut known = self
            .profile_names()
            .into_iter()
            .filter_map(|name| self.profile(name));
        match known.find(|known| base_path(known) == Some(path)) {
            None => Ok(()),
            Some(taken) => Err(RegistryError::BasePathTaken {
                path: path.to_owned(),
                profile: taken.name.clone(),
            }),
        }
    }

    /// The scheme of that name.
    pub fn scheme(&self, name: &str) -> Option<Arc<Scheme>> {
        self.schemes.get(name).cloned().or_else(|| Scheme::builtin(name))
    }

    /// The profile of that name.
    pub fn profile(&self, name: &str) -> Option<Arc<Profile>> {
        self.profiles
            .get(name)
            .cloned()
            .or_else(|| Profile::builtin(name))
    }

    /// The scheme of that name, or an error that says what was perhaps meant.
    pub fn find_scheme(&self, name: &str) -> Result<Arc<Scheme>, UnknownName> {
        self.scheme(name)
            .ok_or_else(|| UnknownName::new("scheme", name, &self.scheme_names()))
    }

    /// The profile of that name, or an error that says what was perhaps meant.
    pub fn find_profile(&self, name: &str) -> Result<Arc<Profile>, UnknownName> {
        self.profile(name)
            .ok_or_else(|| UnknownName::new("profile", name, &self.profile_names()))
    }

    /// The names of all schemes, in alphabetical order.
    pub fn scheme_names(&self) -> Vec<&str> {
        sorted(Scheme::builtin_names(), self.schemes.keys())
    }

    /// The names of all profiles, in alphabetical order.
    pub fn profile_names(&self) -> Vec<&str> {
        sorted(Profile::builtin_names(), self.profiles.keys())
    }
}

fn base_path(profile: &Profile) -> Option<&str> {
    profile.api.as_ref()?.base_path.as_deref()
}

fn sorted<'a>(builtin: &[&'a str], added: impl Iterator<Item = &'a Arc<str>>) -> Vec<&'a str> {
    let mut names: Vec<&str> = builtin.iter().copied().chain(added.map(|name| &**name)).collect();
    names.sort_unstable();
    names
}

/// Checks the name of a scheme or a profile. Names stand in settings, URLs, metrics and file names, so they have one
/// spelling and no character that would have to be escaped anywhere.
pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    let is_name_byte = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_name_byte) {
        Ok(())
    } else {
        Err(NameError {
            text: shortened(name),
        })
    }
}

impl UnknownName {
    fn new(kind: &'static str, name: &str, known: &[&str]) -> Self {
        Self {
            kind,
            name: shortened(name),
            suggestion: nearest(name, known).map(ToOwned::to_owned),
            known: known.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

/// A name as it can be shown: without control characters, and cut to a readable length.
fn shortened(name: &str) -> String {
    name.escape_debug().take(MAX_NAME_BYTES).collect()
}

/// The known name that was probably meant: the one with the fewest slips of the finger, if they are few.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    // The table below grows with the length of the name, and nobody mistypes one that long.
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    let typed = name.to_ascii_lowercase().replace(['_', ' '], "-");
    let distances = known
        .iter()
        .map(|known| (edits(typed.as_bytes(), known.as_bytes()), *known));
    let (edits, nearest) = distances.min()?;
    (edits <= 2 && edits * 3 <= nearest.len()).then_some(nearest)
}

/// How many bytes have to be put in, taken out or replaced to turn one name into the other (Levenshtein).
pub(crate) fn edits(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, typed) in from.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, meant) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(typed != meant);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ProfileError, SchemeError};

    const SCHEME: &str = r#"
        name = "acme"
        content = "{body}"
        key = "utf8"
        algorithm = "hmac-sha256"
        [signature]
        headers = ["Acme-Signature"]
        encoding = "hex"
    "#;

    const PROFILE: &str = r#"
        name = "acme"
        scheme = "acme"
        event_id_prefix = "evt"
        timeout = "10s"
        schedule = { delays = ["30s"] }
        envelope = [{ name = "type", value = "type" }, { name = "data", value = "data" }]
    "#;

    #[test]
    fn what_is_built_in_is_known_from_the_start() {
        let registry = Registry::builtin();
        assert_eq!(registry.scheme_names(), Scheme::builtin_names());
        assert_eq!(registry.profile_names(), Profile::builtin_names());
        assert!(registry.scheme("stripe").is_some() && registry.profile("filedgr").is_some());
        assert!(registry.scheme("acme").is_none() && registry.profile("acme").is_none());
    }

    #[test]
    fn a_profile_can_name_a_scheme_that_was_added_before_it() {
        let mut registry = Registry::builtin();
        let missing = registry.add_profile_toml(PROFILE).unwrap_err();
        assert!(
            matches!(&missing, RegistryError::Profile(ProfileError::UnknownScheme(unknown)) if unknown.name == "acme"),
            "{missing}"
        );
        let scheme = registry.add_scheme_toml(SCHEME).unwrap();
        let profile = registry.add_profile_toml(PROFILE).unwrap();
        assert!(Arc::ptr_eq(&profile.scheme, &scheme));
        assert!(registry.scheme_names().is_sorted() && registry.scheme_names().contains(&"acme"));
        assert!(registry.profile_names().is_sorted() && registry.profile_names().contains(&"acme"));
        assert!(
            Registry::builtin().scheme("acme").is_none(),
            "registries do not share"
        );
    }

    #[test]
    fn a_name_means_one_thing() {
        let mut registry = Registry::builtin();
        registry.add_scheme_toml(SCHEME).unwrap();
        registry.add_profile_toml(PROFILE).unwrap();
        let stripe = SCHEME.replace("\"acme\"", "\"stripe\"");
        let generic = PROFILE.replace("name = \"acme\"", "name = \"generic\"");
        let refusals = [
            registry.add_scheme_toml(SCHEME).unwrap_err(),
            registry.add_scheme_toml(&stripe).unwrap_err(),
            registry.add_profile_toml(PROFILE).unwrap_err(),
            registry.add_profile_toml(&generic).unwrap_err(),
        ];
        assert_eq!(
            refusals.map(|refusal| refusal.to_string()),
            [
                "a scheme named `acme` was added before; give this one another name",
                "a scheme named `stripe` is built in; give this one another name",
                "a profile named `acme` was added before; give this one another name",
                "a profile named `generic` is built in; give this one another name",
            ]
        );
    }

    #[test]
    fn a_scheme_described_in_a_profile_cannot_pass_for_a_known_one() {
        let mut registry = Registry::builtin();
        let inline = r#"scheme = { name = "stripe", content = "{body}", key = "utf8", algorithm = "hmac-sha256",
            signature = { headers = ["X-Sig"], encoding = "hex" } }"#;
        let profile = PROFILE.replace("scheme = \"acme\"", &inline.replace('\n', " "));
        let refusal = registry.add_profile_toml(&profile).unwrap_err();
        assert!(
            matches!(&refusal, RegistryError::SchemeExists { name, is_builtin: true } if name == "stripe")
        );
        registry
            .add_profile_toml(&profile.replace("\"stripe\"", "\"acme-inline\""))
            .unwrap();
        assert!(registry.scheme("acme-inline").is_none());
    }

    #[test]
    fn names_are_short_and_plain() {
        for good in ["a", "hubspot-v3", "2checkout", &"x".repeat(64)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "Acme",
            "a b",
            "a_b",
            "a.b",
            "../a",
            "a\n",
            "\u{e9}",
            &"x".repeat(65),
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
            let named = SCHEME.replace("\"acme\"", &format!("{bad:?}"));
            assert!(
                matches!(Scheme::from_toml(&named), Err(SchemeError::Name(_))),
                "{bad:?}"
            );
        }
        let error = check_name(&"\u{7}".repeat(1_000)).unwrap_err();
        assert!(error.text.len() <= 64 && !error.text.contains('\u{7}'));
    }

    #[test]
    fn a_slip_of_the_finger_is_understood_and_a_guess_is_not_made() {
        let registry = Registry::builtin();
        let suggestion = |name| registry.find_scheme(name).unwrap_err().suggestion;
        for (typed, meant) in [
            ("strpe", "stripe"),
            ("Stripe", "stripe"),
            ("githbu", "github"),
            ("standard_webhooks", "standard-webhooks"),
            ("hubspot", ""),
            ("", ""),
            ("x", ""),
            ("acme", ""),
            (&"stripe".repeat(100), ""),
        ] {
            assert_eq!(suggestion(typed).unwrap_or_default(), meant, "{typed}");
        }
        let unknown = registry.find_profile("acme").unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "there is no profile `acme`; the known ones are aetherflow, contractai, digivault, filedgr, generic, \
             standard-webhooks"
        );
    }

    #[test]
    fn json_descriptions_say_what_toml_descriptions_say() {
        let mut registry = Registry::builtin();
        let scheme = r#"{"name": "acme", "content": "{ts}.{body}", "key": "utf8",
            "signature": {"headers": ["Acme-Signature"], "encoding": "hex", "item_separator": ",",
                          "tag_separator": "=", "timestamp_tag": "t",
                          "tags": [{"tag": "v1", "algorithm": "hmac-sha256"}]},
            "timestamp": {"tolerance_seconds": 300}}"#;
        assert!(registry.add_scheme_json(scheme).unwrap().has_timestamp());
        let profile = r#"{"name": "acme", "scheme": "acme", "also_sign": ["standard-webhooks"],
            "event_id_prefix": "evt", "timeout": "10s",
            "schedule": {"base": "2s", "max_attempts": 5, "jitter": "equal"},
            "envelope": [{"name": "type", "value": "type"}, {"name": "data", "value": "data"}],
            "headers": {"X-Acme-Event": "{type}"},
            "event": [{"name": "user.created", "sample": "{\"id\":1}"}]}"#;
        let added = registry.add_profile_json(profile).unwrap();
        assert_eq!((added.schedule.max_attempts(), added.event_types().len()), (5, 1));
        let inline = profile
            .replace(
                "\"scheme\": \"acme\"",
                &format!("\"scheme\": {}", scheme.replace("\"acme\"", "\"other\"")),
            )
            .replace("\"name\": \"acme\"", "\"name\": \"beta\"");
        assert_eq!(registry.add_profile_json(&inline).unwrap().scheme.name(), "other");
    }

    #[test]
    fn a_mistake_in_json_is_told_with_line_and_column() {
        let scheme = "{\n  \"name\": \"acme\",\n  \"contents\": \"{body}\"\n}";
        let error = Scheme::from_json(scheme).unwrap_err().to_string();
        assert!(
            error.contains("contents") && error.contains("line 3 column"),
            "{error}"
        );
        // Also where the mistake is in a scheme inside a profile.
        let profile = "{\n  \"name\": \"acme\",\n  \"scheme\": {\n    \"nome\": 1\n  }\n}";
        let error = Profile::from_json(profile).unwrap_err().to_string();
        assert!(
            error.contains("nome") && error.contains("line 4 column"),
            "{error}"
        );
        let error = Profile::from_toml("name = \"acme\"\n[scheme]\nnome = 1\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("nome") && error.contains("line 3"), "{error}");
    }
}
