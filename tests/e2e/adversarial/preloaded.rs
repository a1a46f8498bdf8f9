//! Libraries that are loaded before the C library and answer in its place.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) struct Preloaded {
    library: PathBuf,
    folder: tempfile::TempDir,
}

impl Preloaded {
    /// With the C compiler that our dependencies were built with.
    pub(crate) fn build(source: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // PostgreSQL runs as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let file = folder.path().join("preloaded.c");
        let library = folder.path().join("preloaded.so");
        fs::write(&file, source).unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &file])
            .arg("-ldl")
            .status()
            .unwrap();
        assert!(built.success());
        Self { library, folder }
    }

    /// What `LD_PRELOAD` is set to.
    pub(crate) fn path(&self) -> &str {
        self.library.to_str().unwrap()
    }

    /// Where it is; gone when dropped.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
