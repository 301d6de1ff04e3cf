//! Changes of an input at random.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The most changes of one input.
const MAX_CHANGES: u32 = 6;
/// The longest input: what is longer is cut.
const MAX_INPUT_BYTES: usize = 64 << 10;
/// How often a part is repeated at most, as for nesting.
const MAX_REPEATS: usize = 300;
/// Bytes that parsers treat in a way of their own.
const ODD_BYTES: [u8; 24] = [
    0, 1, b'\t', b'\n', b'\r', 0x1b, b' ', b'"', b'%', b'&', b'\'', b',', b'-', b'.', b'/', b':',
    b'=', b'[', b'\\', b']', b'{', b'}', 0x7f, 0xff,
];

/// Changes inputs, the same ones for the same seed.
pub(super) struct Mutator {
    random: StdRng,
    words: &'static [&'static [u8]],
}

impl Mutator {
    /// `words` are what the formats are made of.
    pub(super) fn new(seed: u64, words: &'static [&'static [u8]]) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            words,
        }
    }

    /// A number below `end`, or 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            end => self.random.random_range(0..end),
        }
    }

    /// Returns one of the inputs, changed.
    pub(super) fn change_one_of(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let place = self.below(corpus.len());
        let mut input = corpus[place].clone();
        let other = self.below(corpus.len());
        self.change(&mut input, &corpus[other]);
        input
    }

    /// Changes an input a few times. Parts of `other` may come into it.
    pub(super) fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..self.random.random_range(1..=MAX_CHANGES) {
            self.change_once(input, other);
            input.truncate(MAX_INPUT_BYTES);
        }
    }

    fn change_once(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        match self.random.random_range(0..11) {
            0 => {
                let bit = 1 << self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= bit;
                }
            }
            1 => {
                let odd = ODD_BYTES[self.below(ODD_BYTES.len())];
                if let Some(byte) = input.get_mut(at) {
                    *byte = odd;
                }
            }
            2 => {
                input.splice(at..at, [self.random.random::<u8>()]);
            }
            3 | 4 => {
                let word = self.words[self.below(self.words.len())];
                input.splice(at..at, word.iter().copied());
            }
            5 => {
                let word = self.words[self.below(self.words.len())];
                let range = self.range(input.len(), 16);
                input.splice(range, word.iter().copied());
            }
            6 => {
                let range = self.range(input.len(), 64);
                input.drain(range);
            }
            7 => {
                let part = input[self.range(input.len(), 64)].to_vec();
                input.splice(at..at, part);
            }
            8 => {
                let part = input[self.range(input.len(), 8)].to_vec();
                let times = self.below(MAX_REPEATS);
                input.splice(at..at, part.repeat(times));
            }
            9 => {
                let part = other[self.range(other.len(), 256)].to_vec();
                input.splice(at..at, part);
            }
            _ => input.truncate(at),
        }
    }

    /// A part of at most `most` bytes of something that has `length`.
    fn range(&mut self, length: usize, most: usize) -> Range<usize> {
        let start = self.below(length + 1);
        let bytes = self.below(most.min(length - start) + 1);
        start..start + bytes
    }
}
