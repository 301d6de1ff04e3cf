//! A generation of a log: a file and how far it is read.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Duration;

use tokio::time::Instant;

use super::super::batch::{BATCH_RECORDS, LineClick};
use super::super::id::LineIds;
use super::super::lines::{MAX_RECORD_BYTES, NOT_UTF_8, Torn};
use super::super::log::LogParser;
use super::super::reading::parse_object;
use super::super::records::log_line;
use super::fingerprint::Fingerprint;
use super::stored::StoredGeneration;

/// How much is read at a time.
const CHUNK_BYTES: usize = 512 << 10;
/// How much of it is sent at once: its records are some times as large, and fit every queue.
const SENT_BYTES: u64 = 128 << 10;
/// A log that was renamed counts as finished when nothing came for so long: its writer goes on in
/// it until it learns of the rotation.
const QUIET_AFTER: Duration = Duration::from_secs(5);

/// How a log's lines are read.
pub(super) enum LineLayout {
    Log(LogParser),
    /// A native click a line.
    Ndjson,
}

impl LineLayout {
    fn line(&mut self, bytes: &[u8]) -> Result<Option<LineClick>, Torn> {
        match self {
            Self::Log(parser) => log_line(parser, bytes),
            Self::Ndjson => {
                let kept = bytes.trim_ascii();
                if kept.is_empty() {
                    return Ok(None);
                }
                if bytes.len() >= MAX_RECORD_BYTES {
                    return Err(Torn::new("the line is too long", kept));
                }
                let text = std::str::from_utf8(kept).map_err(|_| Torn::new(NOT_UTF_8, kept))?;
                parse_object(None, text).map(Some)
            }
        }
    }
}

/// A line's place in its generation, and its click or why it is none.
pub(super) type PlacedLine = (u64, Result<LineClick, Torn>);

/// Lines that were read together.
pub(super) struct LineChunk {
    /// The number of their generation.
    pub(super) number: u64,
    pub(super) ids: LineIds,
    pub(super) lines: Vec<PlacedLine>,
    /// The places and items of those of their records that the topic has.
    pub(super) known: HashSet<(u64, Option<u32>)>,
    /// The byte behind the last of them, and the file's fingerprint there.
    pub(super) end: u64,
    fingerprint: Fingerprint,
}

/// A generation that is read.
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) ids: LineIds,
    pub(super) file: File,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) position: u64,
    pub(super) fingerprint: Fingerprint,
    /// How far the chunk goes that is sent, and the file's fingerprint there.
    read: (u64, Fingerprint),
    pub(super) layout: LineLayout,
    /// The records after the position that the topic has: the places of their lines, and the items.
    pub(super) known: HashSet<(u64, Option<u32>)>,
    /// Since when nothing came after the name was another file's; `None` while it is this one's.
    pub(super) quiet_since: Option<Instant>,
    /// Size and time of the last change that were seen.
    seen: Option<(u64, i64, i64)>,
}

impl Generation {
    /// Begins a generation with a file of which nothing is read.
    pub(super) fn begin(
        number: u64,
        ids: LineIds,
        file: File,
        layout: LineLayout,
    ) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            number,
            ids,
            device: metadata.dev(),
            inode: metadata.ino(),
            file,
            position: 0,
            fingerprint: Fingerprint::default(),
            read: (0, Fingerprint::default()),
            layout,
            known: HashSet::new(),
            quiet_since: None,
            seen: None,
        })
    }

    /// Continues in a file where a generation was left.
    pub(super) fn go_on(&mut self, stored: &StoredGeneration) -> io::Result<()> {
        self.position = stored.position;
        self.fingerprint = stored.fingerprint.clone();
        self.read = (self.position, self.fingerprint.clone());
        self.read_head()
    }

    pub(super) fn stored(&self) -> StoredGeneration {
        StoredGeneration {
            number: self.number,
            device: self.device,
            inode: self.inode,
            position: self.position,
            fingerprint: self.fingerprint.clone(),
            read: self.read.0,
            read_fingerprint: self.read.1.clone(),
        }
    }

    /// Returns true if this is the file of that identity.
    pub(super) fn is(&self, device: u64, inode: u64) -> bool {
        (self.device, self.inode) == (device, inode)
    }

    /// Returns false if the file was emptied, or has other content than what was read.
    pub(super) fn is_intact(&mut self) -> io::Result<bool> {
        let metadata = self.file.metadata()?;
        let now = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        if self.seen == Some(now) {
            return Ok(true);
        }
        let is_intact = self.fingerprint.matches(&self.file, self.position)?;
        if is_intact {
            self.seen = Some(now);
        }
        Ok(is_intact)
    }

    /// Returns true if nothing more will come.
    pub(super) fn is_finished(&self) -> bool {
        self.quiet_since
            .is_some_and(|since| since.elapsed() >= QUIET_AFTER)
    }

    /// Reads lines that are complete; `None` if there is none. The last line of a file that is
    /// finished needs no break.
    pub(super) fn read(&mut self) -> io::Result<Option<LineChunk>> {
        let mut bytes = vec![0; CHUNK_BYTES];
        let read = read_at(&self.file, &mut bytes, self.position)?;
        bytes.truncate(read);
        let mut chunk = LineChunk {
            number: self.number,
            ids: self.ids,
            lines: Vec::new(),
            known: HashSet::new(),
            end: self.position,
            fingerprint: Fingerprint::default(),
        };
        let mut rest = &bytes[..];
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, tail) = rest.split_at(at + 1);
            self.take(&mut chunk, line, line.len() as u64);
            rest = tail;
            if chunk.lines.len() >= BATCH_RECORDS || chunk.end - self.position >= SENT_BYTES {
                break;
            }
        }
        if chunk.end == self.position && !rest.is_empty() {
            let is_last = self.is_finished();
            match rest.len() < MAX_RECORD_BYTES {
                true if is_last => self.take(&mut chunk, rest, rest.len() as u64),
                true => {}
                false => {
                    if let Some(size) = self.long_line(is_last)? {
                        self.take(&mut chunk, &rest[..MAX_RECORD_BYTES], size);
                    }
                }
            }
        }
        if chunk.end == self.position {
            return Ok(None);
        }
        chunk.fingerprint = Fingerprint::of(&self.file, chunk.end)?;
        self.read = (chunk.end, chunk.fingerprint.clone());
        if self.quiet_since.is_some() && !self.is_finished() {
            self.quiet_since = Some(Instant::now());
        }
        Ok(Some(chunk))
    }

    /// Adds a line of `size` bytes to the chunk.
    fn take(&mut self, chunk: &mut LineChunk, line: &[u8], size: u64) {
        let place = chunk.end;
        chunk.end += size;
        if let Some(click) = self.layout.line(line).transpose() {
            chunk.lines.push((place, click));
            let known = self.known.extract_if(|(known, _)| *known == place);
            chunk.known.extend(known);
        }
    }

    /// Records that the lines of a chunk are acknowledged.
    pub(super) fn advance(&mut self, chunk: &LineChunk) {
        self.position = chunk.end;
        self.fingerprint.clone_from(&chunk.fingerprint);
    }

    /// The size of a line that is too long, with its break; `None` if its end is not written yet.
    fn long_line(&self, is_last: bool) -> io::Result<Option<u64>> {
        let mut bytes = vec![0; CHUNK_BYTES];
        let mut at = self.position;
        loop {
            let read = read_at(&self.file, &mut bytes, at)?;
            if let Some(place) = bytes[..read].iter().position(|byte| *byte == b'\n') {
                return Ok(Some(at + place as u64 + 1 - self.position));
            }
            at += read as u64;
            if read == 0 {
                return Ok(is_last.then_some(at - self.position));
            }
        }
    }

    /// Reads the lines at the file's beginning that describe it.
    fn read_head(&mut self) -> io::Result<()> {
        let mut bytes = vec![0; CHUNK_BYTES];
        let read = read_at(&self.file, &mut bytes, 0)?;
        let before = usize::try_from(self.position).unwrap_or(usize::MAX);
        let lines = bytes[..read.min(before)].split_inclusive(|byte| *byte == b'\n');
        for line in lines.take_while(|line| line.starts_with(b"#")) {
            // What it says is kept by the parser; it is no click.
            let _ = self.layout.line(line);
        }
        Ok(())
    }
}

/// Reads as much as there is, up to the buffer's size.
fn read_at(file: &File, bytes: &mut [u8], from: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], from + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
