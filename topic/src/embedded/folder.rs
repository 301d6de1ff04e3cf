//! The folder on the disk: how it is opened, and what is done to it while no store is open.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fjall::Database;

/// All journals together.
const JOURNALS: u64 = 128 << 20;
/// The cache of files' blocks, in bytes: a quarter of fjall's default. It is for readers that come
/// late; new records are in the segments' memory.
const BLOCKS: u64 = 8 << 20;
/// What a disk must have room for before a failed store is opened again.
const PROBE: usize = 256 << 10;
/// How much is copied at once.
const COPY_BYTES: usize = 64 << 10;
/// What fjall writes after each batch of a journal.
const TRAILER: &[u8] = b"FJL\x03";

/// Returns true if there is a topic, or another store, in the folder.
#[must_use]
pub fn has_topic(folder: &Path) -> bool {
    folder.join("version").exists()
}

/// Opens the database. If the newest journal ends in a batch whose bytes do not match their
/// checksum, that batch is left out.
pub(super) fn database(folder: &Path) -> Result<Database, fjall::Error> {
    let open = || {
        Database::builder(folder)
            .worker_threads(1)
            .max_journaling_size(JOURNALS)
            .cache_size(BLOCKS)
            .open()
    };
    let damaged = match open() {
        Err(error @ fjall::Error::JournalRecovery(_)) => error,
        opened => return opened,
    };
    if !cut_tail(folder)? {
        return Err(damaged);
    }
    let opened = open();
    match &opened {
        Ok(_) => tracing::warn!(
            folder = %folder.display(),
            "the journal's last batch was torn and is left out; the journal as it was ends in .torn"
        ),
        // Damage further up: acknowledged records may follow it, so nothing is cut.
        Err(_) => restore_tail(folder)?,
    }
    opened
}

/// Returns true if the disk takes and syncs new bytes.
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
            // The rest of an unfinished copy takes room and means nothing.
            let _ = fs::remove_file(&copy);
            return Err(error);
        }
        fs::rename(&copy, &path)?;
    }
    File::open(folder)?.sync_all()
}

/// Cuts the last batch off the newest journal, whose bytes do not match their checksum:
/// a machine that lost power in a write leaves such a tail, and nothing in it was acknowledged.
/// The old journal stays beside it under another name. Returns false if there is
/// no batch to cut.
fn cut_tail(folder: &Path) -> io::Result<bool> {
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".jnl"));
        let number = number.and_then(|number| number.parse().ok());
        newest = newest.max(number.map(|number| (number, path)));
    }
    let Some((_, path)) = newest else {
        return Ok(false);
    };
    let bytes = fs::read(&path)?;
    // The last trailer closes the batch that is damaged; the one before it closes a
    // whole one, or is by chance in the damaged one, which is then cut in two and
    // dropped by the recovery.
    let mut trailers = bytes
        .windows(TRAILER.len())
        .enumerate()
        .rev()
        .filter(|(_, window)| *window == TRAILER);
    let Some(_) = trailers.next() else {
        return Ok(false);
    };
    let end = trailers.next().map_or(0, |(at, _)| at + TRAILER.len());
    copy_sparsely(&path, &path.with_extension("torn"))?;
    let journal = File::options().write(true).open(&path)?;
    journal.set_len(end as u64)?;
    journal.sync_all()?;
    Ok(true)
}

/// Puts the journal that [`cut_tail`] cut back as it was.
fn restore_tail(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "torn")
        {
            fs::rename(&path, path.with_extension("jnl"))?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Copies a file and leaves its zeros unwritten: a journal is mostly room for more.
fn copy_sparsely(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = File::create(to)?;
    target.set_len(source.metadata()?.len())?;
    let mut chunk = vec![0; COPY_BYTES];
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
        let mut bytes = vec![0; 3 * COPY_BYTES + 5];
        bytes[1] = 7;
        bytes[2 * COPY_BYTES + 9] = 8;
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
