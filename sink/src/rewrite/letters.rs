//! The dead letters of what is rewritten: an object of letters that all stay keeps its place, and
//! of the others what stays is written anew.

use arrow::compute::concat_batches;
use parquet::file::reader::Length;

use super::part::RewriteParts;
use super::rows::kept;
use super::source::RewriteSource;
use crate::object::batch::letters_object;
use crate::object::contents::batches;
use crate::object::letters;
use crate::object::swapped::SwappedFooter;
use crate::{Error, LETTER_COLUMNS, Making, ReplacedObject, SwapLetters};

impl RewriteSource<'_> {
    /// Reads the letters, and returns the objects of those that stay, which are the lake's
    /// that is rewritten.
    pub(super) async fn read_letters(
        &self,
        making: &mut Making,
        is_own: bool,
        mut parts: RewriteParts,
    ) -> Result<(Vec<SwapLetters>, RewriteParts), Error> {
        let mut staying = Vec::new();
        for (mut object, stays) in self.letter_objects() {
            if !stays && is_own {
                making.replace(self.lake.replaced(&object.path).await?);
                continue;
            }
            if is_own && !self.choice.chooses() {
                if !self.lake.is_there(&object.path.as_str().into()).await? {
                    return Err(missing(&object.path));
                }
                staying.push(object);
                continue;
            }
            let fetched = self.lake.present(&object.path).await?;
            let choice = self.choice.clone();
            let work = move || {
                let hash = fetched.sha256().map_err(|error| error.to_string())?;
                let bytes = fetched.len();
                let names: Vec<&str> = LETTER_COLUMNS.iter().map(|column| column.name).collect();
                let (mut before, mut after) = (0, Vec::new());
                batches(fetched, &names, |batch| {
                    let mask = choice.letters(batch)?;
                    parts.take_letters(batch, mask.as_ref())?;
                    before += batch.num_rows();
                    after.push(kept(batch.clone(), mask.as_ref())?);
                    Ok(())
                })?;
                let after = concat_batches(&letters::schema(), &after);
                let after = after.map_err(|error| error.to_string())?;
                Ok((parts, before, after, (hash, bytes)))
            };
            let (before, after, (hash, bytes));
            (parts, before, after, (hash, bytes)) = self.lake.heavy(&object.path, work).await?;
            let count = after.num_rows();
            if is_own && count == before {
                staying.push(object);
                continue;
            }
            if is_own {
                making.replace(ReplacedObject {
                    path: object.path.clone(),
                    bytes,
                    hash,
                });
            }
            if count > 0 {
                // Letters of two makers are two objects, so that no sweep of what one of them left
                // takes what the other names.
                let said = SwappedFooter::new(self.ledger.topic.clone(), making.made_at());
                let (_, letters) = letters_object(after, said.metadata());
                object.path = making.put_letters(letters).await?;
                object.dead_letters = count as u64;
                staying.push(object);
            }
        }
        Ok((staying, parts))
    }

    /// All objects of letters, and whether some of them may stay.
    fn letter_objects(&self) -> Vec<(SwapLetters, bool)> {
        let commits = self.scope.commits.iter().filter_map(|commit| {
            let footer = &commit.footer;
            let letters = SwapLetters {
                partition: footer.partition,
                path: footer.letters.clone()?,
                dead_letters: footer.counts.dead_letters,
                appended_at: footer.appended_at,
            };
            Some((letters, !self.choice.drops(&commit.range())))
        });
        let mut objects: Vec<(SwapLetters, bool)> = commits.collect();
        for number in &self.scope.swaps {
            let parts = self.ledger.coverage.parts(*number);
            let stays = !parts.ranges.iter().all(|range| self.choice.drops(range));
            let letters = parts.letters.into_iter().cloned();
            objects.extend(letters.map(|letters| (letters, stays)));
        }
        objects
    }
}

fn missing(path: &str) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        detail: "it is not there".to_owned(),
    }
}
