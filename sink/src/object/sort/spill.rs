//! Runs on a disk: sorted rows as Arrow's own bytes, which cost next to nothing to write and read.
//! The files have no name, so that they are gone when the process is, however it ends.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek};
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::Error;

/// How much memory a batch of a run takes: the merge holds one of each run.
const BATCH_BYTES: usize = 192 << 10;

/// Where files without a name are made. The default is the machine's folder for temporary files.
#[derive(Debug, Clone, Default)]
pub(crate) struct SpillFolder(Option<PathBuf>);

impl SpillFolder {
    pub(crate) const fn at(folder: PathBuf) -> Self {
        Self(Some(folder))
    }

    pub(super) const fn batch_bytes(&self) -> usize {
        BATCH_BYTES
    }

    /// A new file, which is gone once nothing holds it.
    pub(crate) fn file(&self) -> Result<File, Error> {
        let made = match &self.0 {
            Some(folder) => {
                std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder))
            }
            None => tempfile::tempfile(),
        };
        made.map_err(|error| self.failed(&error))
    }

    /// The error of a file that cannot be written or read.
    pub(crate) fn failed(&self, error: &dyn fmt::Display) -> Error {
        let folder = self.0.as_ref().map_or_else(
            || "the folder for temporary files".to_owned(),
            |folder| folder.display().to_string(),
        );
        Error::Unfit(format!(
            "{folder} cannot hold what is read and sorted: {error}; make room there, and let this \
             user write there"
        ))
    }
}

/// A run that is being written.
pub(super) struct SpillWriter {
    writer: StreamWriter<BufWriter<File>>,
    folder: SpillFolder,
}

impl SpillWriter {
    pub(super) fn begin(folder: &SpillFolder) -> Result<Self, Error> {
        let writer = StreamWriter::try_new_buffered(folder.file()?, &crate::schema());
        Ok(Self {
            writer: writer.map_err(|error| folder.failed(&error))?,
            folder: folder.clone(),
        })
    }

    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        let written = self.writer.write(rows);
        written.map_err(|error| self.folder.failed(&error))
    }

    /// What was written, from its beginning.
    pub(super) fn run(self) -> Result<SpilledRun, Error> {
        let Self { writer, folder } = self;
        let reader = || {
            let file = writer.into_inner()?;
            let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            StreamReader::try_new(BufReader::new(file), None)
        };
        match reader() {
            Ok(reader) => Ok(SpilledRun { reader, folder }),
            Err(error) => Err(folder.failed(&error)),
        }
    }
}

/// A run that is being read.
pub(super) struct SpilledRun {
    reader: StreamReader<BufReader<File>>,
    folder: SpillFolder,
}

impl SpilledRun {
    /// The next rows; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let read = self.reader.next().transpose();
        read.map_err(|error| self.folder.failed(&error))
    }
}
