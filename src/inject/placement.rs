//! [`Placed`]: a personality together with where it goes.
//!
//! Into a folder, or a volume without a Windows, a personality goes as it is: every path stays. Into a Windows it goes
//! as somebody's: its folders and SIDs are mapped to his, and the rules it brought along say what happens on the way.

use super::{Mapping, Source};

/// A personality and where it goes.
pub struct Placed<'a> {
    /// The personality.
    pub source: &'a dyn Source,
    /// Where it goes.
    pub placement: Placement,
}

/// Where a personality goes, and what may happen to it on the way.
#[derive(Clone, Debug, Default)]
pub struct Placement {
    /// Old folders and SIDs, and the new ones in their place.
    pub mapping: Mapping,
}

impl<'a> Placed<'a> {
    /// A personality that keeps all its paths.
    pub fn as_it_is(source: &'a dyn Source) -> Self {
        Self { source, placement: Placement::default() }
    }
}
