//! A folder that goes away with the value that owns it.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result};

/// A new, empty folder; removed with everything in it on drop.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn create(parent: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("hookwright-bench.{}.{number}", process::id()));
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The bytes of every file directly in it.
    pub(crate) fn size(&self, prefix: &str) -> Result<u64> {
        let mut size = 0;
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                size += entry.metadata()?.len();
            }
        }
        Ok(size)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing is to be done about a folder that cannot be removed, and it is a temporary one.
        let _ = fs::remove_dir_all(&self.0);
    }
}
