//! What `import` reads: a file as it is, or a copy of a pipe.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::NamedTempFile;

/// Where each process has files of its own under the same path.
const OWN_PATHS: [&str; 3] = ["/dev/stdin", "/dev/fd", "/proc"];

/// A file that this process and an owner can read, more than once.
pub(super) struct ReadableInput {
    pub(super) path: PathBuf,
    /// The name of what was copied.
    pub(super) name: Option<String>,
    /// Removes the copy at the end.
    _copy: Option<NamedTempFile>,
}

impl ReadableInput {
    /// Takes a file as it is, and copies a pipe: it can be read only once, and only here.
    pub(super) fn open(file: &Path) -> anyhow::Result<Self> {
        if file == Path::new("-") {
            return Self::copied(io::stdin().lock(), "stdin".into());
        }
        let shown = file.display();
        let unreadable = || format!("{shown} cannot be read");
        let kind = fs::metadata(file).with_context(unreadable)?.file_type();
        let is_ours = OWN_PATHS.iter().any(|path| file.starts_with(path));
        if kind.is_fifo() || (kind.is_file() && is_ours) {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let opened = fs::File::open(file).with_context(unreadable)?;
            return Self::copied(opened, name.into_owned());
        }
        if kind.is_dir() {
            bail!("{shown} is a folder: give one of its files");
        }
        if !kind.is_file() {
            bail!("{shown} is neither a file nor a pipe");
        }
        Ok(Self {
            path: std::path::absolute(file)?,
            name: None,
            _copy: None,
        })
    }

    fn copied(mut from: impl Read, name: String) -> anyhow::Result<Self> {
        let mut copy = NamedTempFile::new()?;
        io::copy(&mut from, &mut copy).with_context(|| format!("{name} cannot be read"))?;
        Ok(Self {
            path: copy.path().to_owned(),
            name: Some(name),
            _copy: Some(copy),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_17_what_is_no_file_is_copied_or_refused() {
        let refused = |path: &str| {
            let refused = ReadableInput::open(Path::new(path)).map(drop);
            crate::print::sentence(&refused.unwrap_err())
        };
        assert!(refused("/tmp").contains("is a folder"));
        assert!(refused("/dev/zero").contains("neither a file nor a pipe"));
        assert!(refused("/no/such/file").contains("cannot be read"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clicks.csv");
        fs::write(&file, "a\n1\n").unwrap();
        let taken = ReadableInput::open(&file).unwrap();
        assert_eq!((&taken.path, &taken.name), (&file, &None));
        // As a shell's `import <(…)`: a descriptor of ours.
        let open = fs::File::open(&file).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        let copy = ReadableInput::open(Path::new(&format!("/dev/fd/{number}"))).unwrap();
        assert_eq!(copy.name, Some(number.to_string()));
        assert_eq!(fs::read_to_string(copy.path).unwrap(), "a\n1\n");
    }
}
