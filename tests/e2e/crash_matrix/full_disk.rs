//! A disk that is full for a while, for one process or one PostgreSQL server.

use std::{fs, path::PathBuf};

use crate::adversarial::preloaded::Preloaded;

/// Loaded before the C library, it refuses to make files longer while a file of this name exists. What is there can be
/// overwritten, as on any disk that is full.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int refused(int file, off_t end) {
    struct stat about;
    const char *full = getenv("FULL_DISK");
    if (full == NULL || access(full, F_OK) != 0) return 0;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode) || end <= about.st_size) return 0;
    errno = ENOSPC;
    return 1;
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off_t offset) {
    ssize_t (*original)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite64");
    return refused(file, offset + (off_t) length) ? -1 : original(file, bytes, length, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset) {
    return pwrite64(file, bytes, length, offset);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off_t offset) {
    ssize_t (*original)(int, const struct iovec *, int, off_t) = dlsym(RTLD_NEXT, "pwritev64");
    off_t end = offset;
    for (int part = 0; part < count; part++) end += (off_t) parts[part].iov_len;
    return refused(file, end) ? -1 : original(file, parts, count, offset);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    return pwritev64(file, parts, count, offset);
}

int posix_fallocate64(int file, off_t offset, off_t length) {
    int (*original)(int, off_t, off_t) = dlsym(RTLD_NEXT, "posix_fallocate64");
    return refused(file, offset + length) ? ENOSPC : original(file, offset, length);
}

int posix_fallocate(int file, off_t offset, off_t length) {
    return posix_fallocate64(file, offset, length);
}
"#;

pub(super) struct FullDisk {
    library: Preloaded,
    sign: PathBuf,
}

impl FullDisk {
    /// The disk is not full yet.
    pub(super) fn build() -> Self {
        let library = Preloaded::build(SOURCE);
        let sign = library.folder().join("full");
        Self { library, sign }
    }

    /// Of the processes that are to notice.
    pub(super) fn environment(&self) -> [(&str, &str); 2] {
        [
            ("LD_PRELOAD", self.library.path()),
            ("FULL_DISK", self.sign.to_str().unwrap()),
        ]
    }

    pub(super) fn fill(&self) {
        fs::write(&self.sign, "").unwrap();
    }

    pub(super) fn free(&self) {
        fs::remove_file(&self.sign).unwrap();
    }
}
