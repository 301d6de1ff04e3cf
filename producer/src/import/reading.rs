//! A file as batches of drafts: inflated, split into lines, mapped, wrapped.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Seek};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Sender;
use topic::Draft;
use uuid::Uuid;

use super::line::{Csv, Lines, Torn};
use super::map::{Map, Row};
use super::{Error, Format, Import, MapError, Source};
use crate::accept::edge::{Edge, EdgeFacts, Parcel};
use crate::accept::scan::{self, MAX_DEPTH};
use crate::accept::{identity, split};

/// How many batches are read ahead of the sending.
pub(super) const AHEAD: usize = 4;
/// How large a batch grows: lines, and bytes of their drafts.
pub(super) const BATCH_LINES: usize = 1_000;
const BATCH_BYTES: usize = 512 << 10;

/// A file that can be read from its beginning as often as needed.
pub(super) struct File {
    handle: fs::File,
    path: String,
    /// What the envelopes bear as their source.
    origin: String,
    digest: [u8; 32],
    total: u64,
}

/// Lines that go together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) drafts: Vec<Draft>,
    pub(super) ids: Vec<Uuid>,
    /// The number of the last line.
    pub(super) last: u64,
    /// How far into the inflated file the batch reaches.
    pub(super) end: u64,
    /// Which of the drafts, by their place, will be dead letters: line and reason.
    pub(super) rejected: BTreeMap<usize, (u64, String)>,
    bytes: usize,
}

impl Batch {
    /// The drafts that are not known, and those that are; both keep the batch's end.
    pub(super) fn split(self, known: &[bool]) -> (Self, Self) {
        let empty = || Self {
            last: self.last,
            end: self.end,
            ..Self::default()
        };
        let (mut fresh, mut old) = (empty(), empty());
        let mut rejected = self.rejected;
        for (n, (draft, id)) in self.drafts.into_iter().zip(self.ids).enumerate() {
            let side = if known[n] { &mut old } else { &mut fresh };
            if let Some(reason) = rejected.remove(&n) {
                side.rejected.insert(side.drafts.len(), reason);
            }
            side.bytes += draft.size();
            side.drafts.push(draft);
            side.ids.push(id);
        }
        (fresh, old)
    }
}

impl File {
    /// Opens and digests a file; standard input goes to a temporary one first.
    pub(super) fn open(source: &Source) -> Result<Self, Error> {
        let (handle, path, origin) = match source {
            Source::File(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                (
                    fs::File::open(path),
                    path.display().to_string(),
                    format!("import:{name}"),
                )
            }
            Source::Stdin => (spooled(), "standard input".into(), "import:stdin".into()),
        };
        let at = path.clone();
        let unreadable = move |error| Error::Read {
            path: at.clone(),
            error,
        };
        let handle = handle.map_err(&unreadable)?;
        let mut file = Self {
            handle,
            path,
            origin,
            digest: [0; 32],
            total: 0,
        };
        let mut hasher = Sha256::new();
        let total = io::copy(&mut file.inflated()?, &mut hasher).map_err(unreadable)?;
        file.total = total;
        file.digest = hasher.finalize().into();
        Ok(file)
    }

    /// The SHA-256 of the inflated file, in hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        self.digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The size of the inflated file, in bytes.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The id of a line: a UUIDv8 of the file's digest and the line's number.
    pub(super) fn id(&self, line: u64) -> Uuid {
        let digest = Sha256::new()
            .chain_update(self.digest)
            .chain_update(line.to_be_bytes());
        let digest: [u8; 32] = digest.finalize().into();
        let (head, _) = digest.split_first_chunk().expect("32 bytes hold 16");
        uuid::Builder::from_custom_bytes(*head).into_uuid()
    }

    fn inflated(&self) -> Result<Box<dyn BufRead + '_>, Error> {
        let open = || -> io::Result<Box<dyn BufRead + '_>> {
            let mut handle = &self.handle;
            handle.rewind()?;
            let mut raw = BufReader::with_capacity(1 << 16, handle);
            Ok(match raw.fill_buf()? {
                [0x1f, 0x8b, ..] => {
                    Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(raw)))
                }
                [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(BufReader::with_capacity(
                    1 << 16,
                    zstd::Decoder::with_buffer(raw)?,
                )),
                _ => Box::new(raw),
            })
        };
        open().map_err(|error| Error::Read {
            path: self.path.clone(),
            error,
        })
    }
}

fn spooled() -> io::Result<fs::File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut io::stdin().lock(), &mut file)?;
    Ok(file)
}

/// Reads the file after line `from` and sends its batches, until nobody takes them.
/// Tells how many records stood up to that line.
pub(super) fn read(
    file: &File,
    import: &Import,
    from: u64,
    edge: &Edge,
    batches: &Sender<Batch>,
) -> Result<u64, Error> {
    let unreadable = |error| Error::Read {
        path: file.path.clone(),
        error,
    };
    let lines = Lines::new(file.inflated()?);
    let mut passed = 0;
    let mut desk = Desk {
        file,
        edge,
        batches,
        batch: Batch::default(),
    };
    match (import.format, &import.map) {
        (Format::Csv, None) => Err(MapError::needed().into()),
        (Format::Csv, Some(map)) => {
            let mut csv = Csv::new(lines);
            let Some(header) = csv.header().map_err(unreadable)? else {
                return Ok(0);
            };
            map.fits(&header)?;
            while let Some((line, record)) = csv.next().map_err(unreadable)? {
                if line <= from {
                    passed += 1;
                    continue;
                }
                let end = csv.lines().consumed();
                let made = record.map(|fields| mapped(map, &header, &fields));
                if !desk.lay(line, end, made) {
                    return Ok(passed);
                }
            }
            desk.push();
            Ok(passed)
        }
        (Format::Ndjson, map) => {
            let mut lines = lines;
            while let Some((line, text)) = lines.next_text().map_err(unreadable)? {
                if line <= from {
                    passed += 1;
                    continue;
                }
                let made = text.and_then(|text| object(map.as_ref(), &text));
                if !desk.lay(line, lines.consumed(), made) {
                    return Ok(passed);
                }
            }
            desk.push();
            Ok(passed)
        }
    }
}

/// A click on its way: its JSON, and its visitor.
type Made = (Box<RawValue>, Option<String>);

fn mapped(map: &Map, header: &[String], fields: &[String]) -> Made {
    let cells = header.iter().zip(fields);
    let cells = cells.map(|(name, text)| (name.as_str(), Cow::Borrowed(text.as_str()), None));
    raw(map.click(&Row {
        cells: cells.collect(),
    }))
}

fn raw(mapped: super::map::Mapped) -> Made {
    let click = RawValue::from_string(mapped.json).expect("the mapping writes JSON");
    (click, mapped.visitor)
}

fn object(map: Option<&Map>, text: &str) -> Result<Made, Torn> {
    let torn = |reason: String| Torn::new(reason, text.as_bytes());
    if !text.starts_with('{') {
        return Err(torn("the line is no object".into()));
    }
    scan::end(text, MAX_DEPTH).map_err(|fault| torn(fault.reason))?;
    let Some(map) = map else {
        let click: &RawValue =
            serde_json::from_str(text).map_err(|error| torn(error.to_string()))?;
        let visitor = identity::of(click)
            .map_err(torn)?
            .visitor
            .map(Cow::into_owned);
        return Ok((click.to_owned(), visitor));
    };
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| torn(error.to_string()))?;
    let cells = fields.iter().map(|(name, raw)| {
        (
            name.as_str(),
            identity::spoken(raw).unwrap_or_default(),
            Some(*raw),
        )
    });
    Ok(raw(map.click(&Row {
        cells: cells.collect(),
    })))
}

/// Where drafts are laid until there are enough for a batch.
struct Desk<'d> {
    file: &'d File,
    edge: &'d Edge,
    batches: &'d Sender<Batch>,
    batch: Batch,
}

impl Desk<'_> {
    /// Wraps a line; false when nobody takes batches any more.
    fn lay(&mut self, line: u64, end: u64, made: Result<Made, Torn>) -> bool {
        let id = self.file.id(line);
        let (click, visitor) = made.unwrap_or_else(|torn| {
            self.batch
                .rejected
                .insert(self.batch.drafts.len(), (line, torn.reason));
            (split::as_text(&torn.raw), None)
        });
        let facts = EdgeFacts {
            format: "native",
            source: &self.file.origin,
            ip: None,
            user_agent: None,
            content_encoding: None,
        };
        let parcel = Parcel {
            id: id.to_string().into(),
            id_generated: false,
            visitor: visitor.map(Cow::Owned),
            click: &click,
        };
        let draft = self.edge.wrap(&facts, self.edge.clock().now(), parcel);
        self.batch.bytes += draft.size();
        self.batch.drafts.push(draft);
        self.batch.ids.push(id);
        (self.batch.last, self.batch.end) = (line, end);
        let full = self.batch.drafts.len() >= BATCH_LINES || self.batch.bytes >= BATCH_BYTES;
        !full || self.push()
    }

    fn push(&mut self) -> bool {
        let batch = std::mem::take(&mut self.batch);
        batch.drafts.is_empty() || self.batches.blocking_send(batch).is_ok()
    }
}
