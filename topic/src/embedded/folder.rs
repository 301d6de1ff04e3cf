//! The folder on the disk: what is done to it while no store is open.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What a disk must have room for before a failed store is opened again.
const PROBE: usize = 256 << 10;
/// How much is copied at once.
const CHUNK: usize = 64 << 10;

/// Whether the disk takes and syncs new bytes.
pub(super) fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join("probe");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[1; PROBE])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

/// Writes every journal anew. After a failed fsync the kernel may hold pages that it
/// calls clean and never writes again; a copy is dirty, and its fsync tells the truth.
pub(super) fn rewrite(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jnl") {
            continue;
        }
        let copy = path.with_extension("copy");
        let copied = copy_sparsely(&path, &copy);
        if let Err(error) = copied {
            // What is left of a copy takes room and means nothing.
            let _ = fs::remove_file(&copy);
            return Err(error);
        }
        fs::rename(&copy, &path)?;
    }
    File::open(folder)?.sync_all()
}

/// Copies a file and leaves its zeros unwritten: a journal is mostly room for more.
fn copy_sparsely(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = File::create(to)?;
    target.set_len(source.metadata()?.len())?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = source.read(&mut chunk)?;
        if count == 0 {
            return target.sync_all();
        }
        let bytes = &chunk[..count];
        if bytes.iter().any(|&byte| byte != 0) {
            target.write_all(bytes)?;
        } else {
            target.seek(SeekFrom::Current(i64::try_from(count).unwrap_or(i64::MAX)))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewritten_journal_is_the_same_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = vec![0; 3 * CHUNK + 5];
        bytes[1] = 7;
        bytes[2 * CHUNK + 9] = 8;
        let path = folder.path().join("3.jnl");
        fs::write(&path, &bytes).unwrap();
        fs::write(folder.path().join("other"), "x").unwrap();
        rewrite(folder.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        probe(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
