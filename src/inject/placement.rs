//! [`Placed`]: a personality together with where it goes.
//!
//! Into a folder, or a volume without a Windows, a personality goes as it is: every path stays. Into a Windows it goes
//! as somebody's: its folders and SIDs are mapped to his, and the rules it brought along say what happens on the way.

use super::{
    FolderLayout, Mapping, Source, Territory,
    settle::{Trespass, is_hive_of, moves},
};
use crate::{
    nt::WinPath,
    rules::{EffectRules, Effects},
};

/// A personality and where it goes.
pub struct Placed<'a> {
    /// The personality.
    pub source: &'a dyn Source,
    /// Where it goes.
    pub placement: Placement,
}

/// Where a personality goes, and what may happen to it on the way.
#[derive(Debug, Default)]
pub struct Placement {
    /// Old folders and SIDs, and the new ones in their place.
    pub mapping: Mapping,
    /// Whose it becomes in a Windows; none where there is no Windows.
    pub settlement: Option<Settlement>,
}

/// What is known of both Windows where a personality goes from one into another.
#[derive(Debug)]
pub struct Settlement {
    /// The old Windows, with the variables of the user or of the machine.
    pub old: FolderLayout,
    /// The new one.
    pub new: FolderLayout,
    /// The profile folder on the old volume; none for the machine's personality.
    pub old_profile: Option<WinPath>,
    /// What the personality's rules say about things on their way in.
    pub rules: EffectRules,
    /// Where it may write.
    pub territory: Territory,
}

/// A place something goes to, and what went otherwise than a rule wished.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) path: WinPath,
    pub(super) regret: Option<String>,
}

impl<'a> Placed<'a> {
    /// A personality that keeps all its paths.
    pub fn as_it_is(source: &'a dyn Source) -> Self {
        Self { source, placement: Placement::default() }
    }
}

impl Placement {
    /// What the rules say about something at its old place.
    pub(super) fn effects(&self, old: &WinPath, is_folder: bool) -> Effects<'_> {
        let Some(settlement) = &self.settlement else {
            return Effects { keeps_security: true, keeps_times: true, ..Effects::default() };
        };
        let (drive, path) = (settlement.old.drive, settlement.old.below_root(old));
        match is_folder {
            true => settlement.rules.folder(drive, &path),
            false => settlement.rules.file(drive, &path),
        }
    }

    /// Where something goes. None for a folder that a rule dissolves; several where several rules move it.
    pub(super) fn destinations(
        &self,
        old: &WinPath,
        effects: &Effects<'_>,
        is_folder: bool,
    ) -> Vec<Destination> {
        let own = || self.mapping.place(old);
        let Some(settlement) = self.settlement.as_ref().filter(|_| !effects.location_modify.is_empty())
        else {
            return vec![Destination { path: own(), regret: None }];
        };
        let mut all: Vec<Destination> = Vec::new();
        for rule in &effects.location_modify {
            let destination = match moves::place(rule, settlement, old, is_folder) {
                moves::Moved::To(path) => Destination { path, regret: None },
                moves::Moved::Dissolved => continue,
                moves::Moved::Stays => Destination { path: own(), regret: None },
                moves::Moved::Not(reason) => Destination { path: own(), regret: Some(reason) },
            };
            match all.iter_mut().find(|known| known.path.eq_ignore_case(&destination.path)) {
                Some(known) => known.regret = known.regret.take().or(destination.regret),
                None => all.push(destination),
            }
        }
        all
    }

    /// True for the hives of the user himself: their keys are merged, the files are not put over those of the target.
    pub(super) fn is_own_hive(&self, old: &WinPath) -> bool {
        let profile = self.settlement.as_ref().and_then(|settlement| settlement.old_profile.as_ref());
        match (profile, old.parent(), old.file_name()) {
            (Some(profile), Some(folder), Some(name)) => is_hive_of(profile, &folder, &name),
            _ => false,
        }
    }

    /// Says whether something may be written at `path`.
    pub(super) fn check(&self, path: &WinPath, is_folder: bool) -> Result<(), Trespass> {
        self.settlement.as_ref().map_or(Ok(()), |settlement| settlement.territory.check(path, is_folder))
    }
}
