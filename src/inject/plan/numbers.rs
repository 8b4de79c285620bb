//! [`Numbers`]: the names `Name(1).ext`, `Name(2).ext`, … that one name of a folder can get.
//!
//! Thousands of files may want one name. Each number is looked at once or twice, not once for each of them.

use std::collections::HashMap;

/// How many numbers are tried.
const MOST_NUMBERS: u32 = 10_000;

/// What is where a number leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Nothing,
    /// Something of the plan, or a folder.
    Taken,
    /// A file of the target.
    File {
        size: u64,
    },
}

/// What the numbers are for: a folder that a file must not take may be just the one for a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Numbered {
    Files,
    Folders {
        /// In a Windows, folders of an earlier inject are used again.
        is_settled: bool,
    },
}

/// What is known of the numbers of one name.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Everything up to this one is something.
    seen: u32,
    /// The files of the target among them, by size.
    files: HashMap<u64, Vec<u32>>,
}

impl Numbers {
    /// The first number that leads to nothing; none when there are no more.
    pub(super) fn free(&mut self, mut look: impl FnMut(u32) -> Look) -> Option<u32> {
        // The one that was free for the last file is asked again: that file may not have taken it.
        while self.seen.saturating_add(1) < MOST_NUMBERS {
            let number = self.seen.saturating_add(1);
            match look(number) {
                Look::Nothing => return Some(number),
                Look::Taken => {}
                Look::File { size } => self.files.entry(size).or_default().push(number),
            }
            self.seen = number;
        }
        None
    }

    /// The numbers before the free one that lead to files of the target of this size.
    pub(super) fn files(&self, size: u64) -> &[u32] {
        self.files.get(&size).map(Vec::as_slice).unwrap_or_default()
    }

    /// A file of the target is somebody's: nobody else is asked about it.
    pub(super) fn found(&mut self, size: u64, number: u32) {
        if let Some(files) = self.files.get_mut(&size) {
            files.retain(|&other| other != number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::HashSet};

    use super::*;

    #[test]
    fn thousands_of_clashes_need_few_looks() {
        let looks = Cell::new(0_u32);
        let mut taken = HashSet::new();
        let mut numbers = Numbers::default();
        for expected in 1..=5_000 {
            let number = numbers.free(|number| {
                looks.set(looks.get() + 1);
                if taken.contains(&number) { Look::Taken } else { Look::Nothing }
            });
            assert_eq!(number, Some(expected));
            taken.insert(expected);
        }
        assert!(looks.get() < 10_000, "{}", looks.get());
        assert_eq!((1..).map_while(|_| numbers.free(|_| Look::Taken)).count(), 0, "they come to an end");
    }

    #[test]
    fn files_of_the_target_are_offered_by_size_until_they_are_somebodys() {
        let mut numbers = Numbers::default();
        let look = |number| match number {
            1 | 4 => Look::File { size: 10 },
            2 => Look::Taken,
            3 => Look::File { size: 20 },
            _ => Look::Nothing,
        };
        assert_eq!(numbers.free(look), Some(5));
        assert_eq!(
            (numbers.files(10), numbers.files(20), numbers.files(30)),
            (&[1, 4][..], &[3][..], &[][..])
        );
        numbers.found(10, 1);
        assert_eq!(numbers.files(10), [4]);
        assert_eq!(numbers.free(look), Some(5), "nobody took it");
    }
}
