//! The index over patterns: a trie by the folder names a pattern gives in full, and within each folder by what the
//! leaf looks like. A lookup walks the folders of one path and meets only patterns that can match it, so its cost is
//! that of the path's depth and not of the number of rules.

use std::collections::HashMap;

use super::pattern::{Pattern, SEPARATOR, is_all};

/// Deepest node of the trie. Windows' own folders end long before; a pattern with more names is matched in full there.
const MAX_DEPTH: usize = 256;

const STAR: u16 = b'*' as u16;
const DOT: u16 = b'.' as u16;

/// Patterns, found by the objects they cover. Numbers are those given at [`Matcher::add`].
#[derive(Debug, Default)]
pub(super) struct Matcher {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<[u16]>, Node>,
    /// Patterns for this folder only.
    here: Leaves,
    /// Patterns for this folder and all below it.
    below: Leaves,
    /// Patterns whose next name holds a wildcard: matched in full.
    wild: Vec<(u32, Pattern)>,
}

/// Patterns of one folder by the form of their leaf.
#[derive(Debug, Default)]
struct Leaves {
    /// The folder itself.
    folder: Vec<u32>,
    /// `*`: every leaf, and the folder with it.
    all: Vec<u32>,
    /// A name without wildcards.
    exact: HashMap<Box<[u16]>, Vec<u32>>,
    /// `*.ext`.
    extension: HashMap<Box<[u16]>, Vec<u32>>,
    other: Vec<(u32, Box<[u16]>)>,
}

impl Leaves {
    fn add(&mut self, number: u32, leaf: Option<&[u16]>) {
        match leaf {
            None => self.folder.push(number),
            Some(leaf) if is_all(leaf) => self.all.push(number),
            Some(leaf) if !leaf.contains(&STAR) => self.exact.entry(leaf.into()).or_default().push(number),
            Some([STAR, DOT, extension @ ..]) if !extension.contains(&STAR) && !extension.contains(&DOT) => {
                self.extension.entry(extension.into()).or_default().push(number);
            }
            Some(leaf) => self.other.push((number, leaf.into())),
        }
    }

    fn find(&self, leaf: Option<&[u16]>, found: &mut Vec<u32>) {
        found.extend(&self.all);
        let Some(leaf) = leaf else {
            found.extend(&self.folder);
            return;
        };
        if !self.exact.is_empty() {
            found.extend(self.exact.get(leaf).into_iter().flatten());
        }
        if !self.extension.is_empty()
            && let Some(dot) = leaf.iter().rposition(|&unit| unit == DOT)
            && let Some(extension) = leaf.get(dot.saturating_add(1)..)
        {
            found.extend(self.extension.get(extension).into_iter().flatten());
        }
        found.extend(
            self.other.iter().filter(|(_, pattern)| super::pattern::glob(pattern, leaf)).map(|(n, _)| *n),
        );
    }
}

impl Matcher {
    pub(super) fn add(&mut self, number: u32, pattern: &Pattern) {
        let (names, all) = pattern.literal_names();
        let mut node = &mut self.root;
        let all = all && names.len() <= MAX_DEPTH;
        for name in names.into_iter().take(MAX_DEPTH) {
            node = node.children.entry(name.into()).or_default();
        }
        if !all {
            node.wild.push((number, pattern.clone()));
        } else if pattern.is_recursive() {
            node.below.add(number, pattern.leaf());
        } else {
            node.here.add(number, pattern.leaf());
        }
    }

    /// Appends the numbers of all patterns that cover the object: `leaf` in the folder or key `node`, or the node itself.
    pub(super) fn find(&self, node: &[u16], leaf: Option<&[u16]>, found: &mut Vec<u32>) {
        let mut here = &self.root;
        here.passing(node, leaf, found);
        for name in node.split(|&unit| unit == SEPARATOR) {
            match here.children.get(name) {
                Some(child) => here = child,
                None => return,
            }
            here.passing(node, leaf, found);
        }
        here.here.find(leaf, found);
    }
}

impl Node {
    fn passing(&self, node: &[u16], leaf: Option<&[u16]>, found: &mut Vec<u32>) {
        self.below.find(leaf, found);
        found.extend(self.wild.iter().filter(|(_, pattern)| pattern.matches(node, leaf)).map(|(n, _)| *n));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::pattern::{ObjectKind, fold_text};

    /// Few names, so that patterns and paths meet often.
    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "b", "ab", "a.b", "ü", "x.doc", "y.txt"]).prop_map(str::to_owned)
    }

    fn wild_name() -> impl Strategy<Value = String> {
        prop_oneof![4 => name(), 1 => Just("*".to_owned()), 1 => Just("a*".to_owned()), 1 => Just("*b".to_owned())]
    }

    fn pattern() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just(String::new()),
            Just(" [*]".to_owned()),
            Just(" [*.*]".to_owned()),
            Just(" [*.doc]".to_owned()),
            Just(" [*.]".to_owned()),
            name().prop_map(|name| format!(" [{name}]")),
            wild_name().prop_map(|name| format!("[{name}]")),
        ];
        let node = prop::collection::vec(wild_name(), 1..4).prop_map(|names| names.join("\\"));
        (node, prop::sample::select(vec!["", "\\", "\\*"]), leaf)
            .prop_map(|(node, end, leaf)| node + end + &leaf)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_index_finds_what_trying_every_pattern_finds(
            patterns in prop::collection::vec(pattern(), 1..30),
            paths in prop::collection::vec((prop::collection::vec(name(), 1..5), prop::option::of(name())), 1..30),
        ) {
            let patterns: Vec<Pattern> =
                patterns.iter().filter_map(|text| Pattern::parse(ObjectKind::File, text).ok()).collect();
            let mut matcher = Matcher::default();
            for (number, pattern) in patterns.iter().enumerate() {
                matcher.add(u32::try_from(number).unwrap(), pattern);
            }
            for (names, leaf) in paths {
                let node = fold_text(&names.join("\\"));
                let leaf = leaf.map(|leaf| fold_text(&leaf));
                let mut found = Vec::new();
                matcher.find(&node, leaf.as_deref(), &mut found);
                found.sort_unstable();
                let naive: Vec<u32> = (0_u32..)
                    .zip(&patterns)
                    .filter(|(_, pattern)| pattern.matches(&node, leaf.as_deref()))
                    .map(|(number, _)| number)
                    .collect();
                prop_assert_eq!(found, naive, "{:?} {:?}", names, leaf);
            }
        }
    }
}
