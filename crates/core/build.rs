//! Lists the data files of the crate, so that adding a scheme or a platform is adding a file.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

/// Each of these folders becomes a file of the same name in `OUT_DIR`, with the constants `NAMES` and `TEXTS`.
const FOLDERS: [&str; 3] = ["handshakes", "profiles", "schemes"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let manifest = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    for folder in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
        let names = names_in(&Path::new(&manifest).join(folder))?;
        fs::write(
            Path::new(&out).join(format!("{folder}.rs")),
            constants(folder, &names),
        )?;
    }
    Ok(())
}

/// The names of the TOML files in `folder`, without the ending, sorted.
fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn constants(folder: &str, names: &[String]) -> String {
    let mut code = format!(
        "/// The names of the built-in {folder}, sorted.\npub(super) const NAMES: &[&str] = &{names:?};\n"
    );
    code.push_str("/// Their descriptions, in the same order.\nconst TEXTS: &[&str] = &[\n");
    for name in names {
        // A path from the manifest on, because absolute ones would differ from machine to machine.
        let path = format!(r#"concat!(env!("CARGO_MANIFEST_DIR"), "/{folder}/{name}.toml")"#);
        // Writing into memory does not fail.
        let _ = writeln!(code, "    include_str!({path}),");
    }
    code.push_str("];\n");
    code
}
