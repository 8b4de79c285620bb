//! A number and its noun, for everything that a person reads.

use std::fmt::Display;

/// `1 file`, `2 files`, `0 personalities`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    format!("{count} {}", plural(count, noun))
}

/// The noun as it stands behind a number: `file` behind 1, `files` behind any other.
pub fn plural<N: PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let ies = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match ies {
        _ if count == N::from(1) => noun.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn only_one_is_singular() {
        let texts =
            [counted(0_u64, "personality"), counted(1_usize, "file"), counted(2_u32, "alternate stream")];
        assert_eq!(texts, ["0 personalities", "1 file", "2 alternate streams"]);
        assert_eq!([counted(1_u64, "personality"), counted(2_u64, "key")], ["1 personality", "2 keys"]);
    }
}
