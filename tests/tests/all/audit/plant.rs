//! Ten kinds of faults, planted one at a time at places that a seed chooses.

use std::fmt::Display;
use std::fs;

use duckdb::Connection;
use rand::Rng;
use rand::rngs::StdRng;
use sink::{Contents, Hour, ObjectName};
use topic::{Identity, Offset, Partition, Record};

use super::craft::{self, Fate, fate};
use super::scene::Scene;

/// The kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Missing,
    Truncated,
    Flipped,
    Doubled,
    Renamed,
    Foreign,
    EditedCount,
    LostLetters,
    RowRemoved,
    RowAdded,
}

pub(super) const KINDS: [Kind; 10] = [
    Kind::Missing,
    Kind::Truncated,
    Kind::Flipped,
    Kind::Doubled,
    Kind::Renamed,
    Kind::Foreign,
    Kind::EditedCount,
    Kind::LostLetters,
    Kind::RowRemoved,
    Kind::RowAdded,
];

impl Kind {
    /// Returns true if the topic contradicts the lake, whatever the catalog says.
    pub(super) fn is_the_lakes(self) -> bool {
        !matches!(self, Self::Foreign | Self::RowRemoved | Self::RowAdded)
    }
}

/// A planted fault: a description, and the object that an audit must name.
#[derive(Debug)]
pub(super) struct Planted {
    pub(super) how: String,
    pub(super) object: String,
}

fn planted(how: impl Into<String>, object: &impl Display) -> Planted {
    let (how, object) = (how.into(), object.to_string());
    Planted { how, object }
}

impl Scene {
    /// Plants the `number`th fault of a kind.
    pub(super) async fn plant(&self, kind: Kind, number: usize, choice: &mut StdRng) -> Planted {
        let at = choice.random_range(0..self.objects.len());
        let (name, contents) = &self.objects[at];
        let file = self.file(&name.to_string());
        match kind {
            Kind::Missing => {
                fs::remove_file(file).unwrap();
                planted("removed", name)
            }
            Kind::Truncated => {
                let bytes = fs::read(&file).unwrap();
                let left = choice.random_range(0..bytes.len());
                fs::write(file, &bytes[..left]).unwrap();
                planted(format!("cut to {left} of {} bytes", bytes.len()), name)
            }
            Kind::Flipped => {
                let mut bytes = fs::read(&file).unwrap();
                let bit = choice.random_range(0..bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                fs::write(file, bytes).unwrap();
                planted(format!("bit {bit} flipped"), name)
            }
            Kind::Doubled if number.is_multiple_of(2) => self.overlap(at, choice).await,
            Kind::Doubled => self.repeat(choice).await,
            Kind::Renamed => self.rename(at, number, choice),
            Kind::Foreign => self.foreign(at, number, choice).await,
            Kind::EditedCount => self.miscount(number, choice),
            Kind::LostLetters => self.lose_letters(number, choice),
            Kind::RowRemoved => {
                self.sql(&format!("DELETE FROM objects WHERE path = '{name}'"));
                planted("its row deleted", name)
            }
            Kind::RowAdded => self.list_a_ghost(*name, contents, number),
        }
    }

    /// The records of an object's range, with their fates.
    pub(super) async fn records(
        &self,
        name: &ObjectName,
        contents: &Contents,
    ) -> Vec<(Record, Fate)> {
        let end = contents.footer.end;
        let mut records = Vec::new();
        let mut at = name.first;
        while at < end {
            let batch = self.topic.fetch(name.partition, at, 1_000).await.unwrap();
            at = batch.last().unwrap().offset.next();
            records.extend(batch);
        }
        records.retain(|record| record.offset < end);
        let fated = records.into_iter().map(|record| {
            let fate = fate(contents, &record);
            (record, fate)
        });
        fated.collect()
    }

    /// A second object with the end of another one's range.
    async fn overlap(&self, at: usize, choice: &mut StdRng) -> Planted {
        let (name, contents) = &self.objects[at];
        let mut records = self.records(name, contents).await;
        let records = records.split_off(choice.random_range(1..records.len()));
        let first = records[0].0.offset;
        let copy = ObjectName { first, ..*name };
        self.craft(copy, self.topic.identity(), contents, &records)
            .await;
        planted(
            format!("a second object of what {name} holds from {first} on"),
            &copy,
        )
    }

    /// An object whose first rows have the ids of the last rows of the object before.
    async fn repeat(&self, choice: &mut StdRng) -> Planted {
        let follows = |pair: &&[(ObjectName, Contents)]| pair[0].0.partition == pair[1].0.partition;
        let pairs: Vec<_> = self.objects.windows(2).filter(follows).collect();
        let [(before, held), (name, contents)] = pairs[choice.random_range(0..pairs.len())] else {
            panic!("a pair is two")
        };
        let is_row = |(_, fate): &&(Record, Fate)| matches!(fate, Fate::Row);
        let earlier = self.records(before, held).await;
        let twins = earlier.iter().rev().filter(is_row);
        let mut records = self.records(name, contents).await;
        let mut rows = records
            .iter_mut()
            .filter(|(_, fate)| matches!(fate, Fate::Row));
        let count = choice.random_range(1..5);
        for ((twin, _), _) in twins.zip(0..count) {
            rows.next().unwrap().0.value.clone_from(&twin.value);
        }
        self.craft(*name, self.topic.identity(), contents, &records)
            .await;
        // The catalog has it too: only the ids show the fault.
        self.forget_catalog();
        planted(format!("{count} of its ids are those of {before}"), name)
    }

    fn rename(&self, at: usize, number: usize, choice: &mut StdRng) -> Planted {
        let (name, _) = &self.objects[at];
        let mut other = *name;
        match number % 3 {
            0 => other.hour = Hour(name.hour.0 - choice.random_range(1..1_000)),
            1 => other = self.free(other, choice),
            _ => {
                other.partition = Partition((name.partition.0 + 1) % 3);
                other = self.free(other, choice);
            }
        }
        let to = self.file(&other.to_string());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(self.file(&name.to_string()), to).unwrap();
        planted(format!("it was {name}"), &other)
    }

    /// An unused name, of some later offset: within the partition or beyond it.
    fn free(&self, name: ObjectName, choice: &mut StdRng) -> ObjectName {
        loop {
            let first = Offset(name.first.0 + choice.random_range(1..3_000));
            let free = ObjectName { first, ..name };
            if !self.file(&free.to_string()).exists() {
                return free;
            }
        }
    }

    async fn foreign(&self, at: usize, number: usize, choice: &mut StdRng) -> Planted {
        let (name, contents) = &self.objects[at];
        if number.is_multiple_of(2) {
            let folder = name.hour.to_string();
            let file = ["part-00000.snappy.parquet", "00001-42.parquet", "_SUCCESS"];
            let path = format!("clicks/{folder}/{}", file[number / 2 % file.len()]);
            fs::copy(self.file(&name.to_string()), self.file(&path)).unwrap();
            return planted(format!("a copy of {name}"), &path);
        }
        let topic = Identity {
            topic: "another".to_owned(),
            ..self.topic.identity().clone()
        };
        let records = self.records(name, contents).await;
        let other = self.free(*name, choice);
        let beyond = name.first.distance(other.first);
        let shifted: Vec<_> = records
            .into_iter()
            .map(|(mut record, fate)| {
                record.offset = Offset(record.offset.0 + beyond);
                (record, fate)
            })
            .collect();
        self.craft(other, &topic, contents, &shifted).await;
        planted("an object of another topic", &other)
    }

    /// A footer with changed counts and a correct hash.
    fn miscount(&self, number: usize, choice: &mut StdRng) -> Planted {
        let changes: &[(&str, i64)] = [
            &[("rows", -1), ("duplicates", 1)][..],
            &[("rows", 1), ("duplicates", -1)][..],
            &[("rows", -1)][..],
            &[("dead_letters", -1), ("dropped", 1)][..],
            &[("end", 1), ("rows", 1)][..],
        ][number % 5];
        loop {
            let (name, _) = &self.objects[choice.random_range(0..self.objects.len())];
            let file = self.file(&name.to_string());
            let mut bytes = fs::read(&file).unwrap();
            if craft::edit(&mut bytes, changes) {
                fs::write(file, bytes).unwrap();
                // The catalog has it too: only the numbers show the fault.
                self.forget_catalog();
                return planted(format!("{changes:?}"), name);
            }
        }
    }

    fn lose_letters(&self, number: usize, choice: &mut StdRng) -> Planted {
        let named: Vec<_> = self
            .objects
            .iter()
            .filter_map(|(_, contents)| contents.footer.letters.as_ref())
            .collect();
        let lost = named[choice.random_range(0..named.len())];
        let other = named[choice.random_range(0..named.len())];
        if number.is_multiple_of(2) || lost == other {
            fs::remove_file(self.file(lost)).unwrap();
            return planted("removed", lost);
        }
        fs::copy(self.file(other), self.file(lost)).unwrap();
        planted(format!("replaced by {other}"), lost)
    }

    /// A row of the catalog for a missing object.
    fn list_a_ghost(&self, name: ObjectName, contents: &Contents, number: usize) -> Planted {
        let by = match number % 3 {
            // Within the object's own range, beyond every end, far beyond.
            0 => 1,
            1 => 2_000,
            _ => 1_000_000,
        };
        let mut footer = contents.footer.clone();
        footer.first = Offset(name.first.0 + by);
        footer.end = Offset(footer.end.0 + by);
        let ghost = ObjectName {
            first: footer.first,
            ..name
        };
        let json = serde_json::to_string(&footer).unwrap();
        self.sql(&format!(
            "INSERT INTO objects SELECT * REPLACE ('{ghost}' AS path, {} AS \"first\",
                {} AS \"end\", '{json}' AS footer) FROM objects WHERE path = '{name}'",
            footer.first, footer.end
        ));
        planted(format!("a row like that of {name}"), &ghost)
    }

    pub(super) async fn craft(
        &self,
        name: ObjectName,
        topic: &Identity,
        like: &Contents,
        records: &[(Record, Fate)],
    ) {
        let configuration = &like.footer.configuration;
        craft::object(&self.file(""), name, topic, configuration, records).await;
    }

    fn sql(&self, sql: &str) {
        let connection = Connection::open(self.database()).unwrap();
        assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
    }
}
