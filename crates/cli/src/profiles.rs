//! Schemes and profiles of one's own: a folder of descriptions.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use hookwright_core::{Profile, Registry, RegistryError, Scheme};

use crate::failure::Failure;

/// Descriptions are a page or two. Something else was put into the folder when one is longer.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What is known beside the built-in schemes and profiles.
#[derive(Debug, Args)]
pub(crate) struct ProfilesArgs {
    /// A folder with schemes and profiles of your own: `schemes/*.toml` and `profiles/*.toml` in it, or `*.json`.
    #[arg(long = "profiles", env = "HOOKWRIGHT_PROFILES", value_name = "FOLDER")]
    profiles_folder: Option<PathBuf>,
}

impl ProfilesArgs {
    /// The built-in schemes and profiles, and those of the folder.
    pub(crate) fn registry(&self) -> Result<Registry, Failure> {
        match &self.profiles_folder {
            // How an empty variable in a service's environment means "not set".
            Some(folder) if !folder.as_os_str().is_empty() => load(folder),
            _ => Ok(Registry::builtin()),
        }
    }
}

/// The scheme of that name, as an argument names it.
pub(crate) fn find_scheme(registry: &Registry, name: &str) -> Result<Arc<Scheme>, Failure> {
    registry
        .find_scheme(name)
        .map_err(|error| Failure::Usage(error.to_string()))
}

/// The profile of that name, as an argument names it.
pub(crate) fn find_profile(registry: &Registry, name: &str) -> Result<Arc<Profile>, Failure> {
    registry
        .find_profile(name)
        .map_err(|error| Failure::Usage(error.to_string()))
}

fn load(folder: &Path) -> Result<Registry, Failure> {
    let mut registry = Registry::builtin();
    let misplaced = descriptions(folder)?;
    if let Some((path, _)) = misplaced.first() {
        return Err(Failure::Usage(format!(
            "{}: a description belongs into the folder schemes or profiles of {}",
            path.display(),
            folder.display()
        )));
    }
    // Schemes first: profiles name them.
    let schemes = descriptions_below(folder, "schemes")?;
    let profiles = descriptions_below(folder, "profiles")?;
    if schemes.is_none() && profiles.is_none() {
        return Err(Failure::Usage(format!(
            "{}: there is neither a folder schemes nor a folder profiles in it",
            folder.display()
        )));
    }
    for (path, format) in schemes.unwrap_or_default() {
        let text = read(&path)?;
        let added = match format {
            Format::Toml => registry.add_scheme_toml(&text),
            Format::Json => registry.add_scheme_json(&text),
        };
        added.map_err(|error| refused(&path, &error))?;
    }
    for (path, format) in profiles.unwrap_or_default() {
        let text = read(&path)?;
        let added = match format {
            Format::Toml => registry.add_profile_toml(&text),
            Format::Json => registry.add_profile_json(&text),
        };
        added.map_err(|error| refused(&path, &error))?;
    }
    Ok(registry)
}

#[derive(Clone, Copy, Debug)]
enum Format {
    Toml,
    Json,
}

/// The descriptions in a folder, by name; none when there is no such folder.
fn descriptions_below(folder: &Path, name: &str) -> Result<Option<Vec<(PathBuf, Format)>>, Failure> {
    let folder = folder.join(name);
    if folder.is_dir() {
        descriptions(&folder).map(Some)
    } else {
        Ok(None)
    }
}

/// The descriptions in a folder, by name, so that the order and with it every error is the same on each start. Files of
/// other kinds and hidden ones are passed over: editors and mounted volumes leave some.
fn descriptions(folder: &Path) -> Result<Vec<(PathBuf, Format)>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::Usage(format!("cannot read {}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Format::Toml,
            Some("json") => Format::Json,
            _ => continue,
        };
        if !is_hidden {
            found.push((path, format));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

fn read(path: &Path) -> Result<String, Failure> {
    let unreadable = |problem: &dyn std::fmt::Display| {
        Failure::Usage(format!("cannot read {}: {problem}", path.display()))
    };
    let length = fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if length > FILE_BYTES_MAX {
        return Err(unreadable(&format_args!(
            "it is {length} bytes long, and a description has at most {FILE_BYTES_MAX}"
        )));
    }
    fs::read_to_string(path).map_err(|error| unreadable(&error))
}

fn refused(path: &Path, error: &RegistryError) -> Failure {
    Failure::Usage(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEME: &str = "name = \"acme\"\ncontent = \"{body}\"\nkey = \"utf8\"\nalgorithm = \"hmac-sha256\"\n\
        [signature]\nheaders = [\"Acme-Signature\"]\nencoding = \"hex\"\n";
    const PROFILE: &str = r#"{"name": "acme", "scheme": "acme", "event_id_prefix": "evt", "timeout": "10s",
        "schedule": {"delays": []},
        "envelope": [{"name": "type", "value": "type"}, {"name": "data", "value": "data"}]}"#;

    fn loaded(files: &[(&str, &str)]) -> Result<Registry, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        load(folder.path()).map_err(|failure| match failure {
            Failure::Usage(message) => message.replace(&format!("{}/", folder.path().display()), ""),
            failure => panic!("{failure:?}"),
        })
    }

    #[test]
    fn profiles_find_the_schemes_beside_them() {
        let registry = loaded(&[
            ("profiles/a.json", PROFILE),
            ("schemes/z.toml", SCHEME),
            ("schemes/README.md", "about"),
            ("schemes/.#z.toml", "an editor's lock"),
            ("README.md", "about"),
        ])
        .unwrap();
        assert_eq!(registry.profile("acme").unwrap().scheme.name(), "acme");
        assert!(
            loaded(&[("schemes/z.toml", SCHEME)])
                .unwrap()
                .scheme("acme")
                .is_some()
        );
    }

    #[test]
    fn a_mistake_is_told_with_file_and_line() {
        let refusal = |files: &[(&str, &str)]| loaded(files).unwrap_err();
        let misspelt = SCHEME.replace("content", "contents");
        let toml = refusal(&[("schemes/acme.toml", &misspelt)]);
        assert!(
            toml.starts_with("schemes/acme.toml: ") && toml.contains("line 2"),
            "{toml}"
        );
        let json = refusal(&[("profiles/acme.json", "{\n\"nome\": 1}")]);
        assert!(
            json.starts_with("profiles/acme.json: ") && json.contains("line 2"),
            "{json}"
        );
        assert_eq!(
            refusal(&[("schemes/a.toml", SCHEME), ("schemes/b.toml", SCHEME)]),
            "schemes/b.toml: a scheme named `acme` was added before; give this one another name"
        );
        let unknown = refusal(&[("profiles/acme.json", PROFILE)]);
        assert!(
            unknown.starts_with("profiles/acme.json: scheme: there is no scheme `acme`"),
            "{unknown}"
        );
    }

    #[test]
    fn a_folder_that_would_be_passed_over_is_refused() {
        let misplaced = loaded(&[("acme.toml", SCHEME)]).unwrap_err();
        assert!(
            misplaced.starts_with("acme.toml: a description belongs into"),
            "{misplaced}"
        );
        let empty = loaded(&[("README.md", "about")]).unwrap_err();
        assert!(
            empty.contains("neither a folder schemes nor a folder profiles"),
            "{empty}"
        );
        assert!(matches!(
            load(Path::new("/no/such/folder")),
            Err(Failure::Usage(_))
        ));
    }

    #[test]
    fn a_file_that_cannot_be_a_description_is_not_read() {
        let long = format!("{SCHEME}# {}", "x".repeat(1024 * 1024));
        assert!(
            loaded(&[("schemes/acme.toml", &long)])
                .unwrap_err()
                .contains("bytes long")
        );
    }
}
