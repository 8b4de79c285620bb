//! [`Placed`]: a personality together with where it goes.
//!
//! Into a folder, or a volume without a Windows, a personality goes as it is: every path stays. Into a Windows it goes
//! as somebody's: its folders and SIDs are mapped to his, and the rules it brought along say what happens on the way.

use super::{
    FolderLayout, Mapping, Source, Territory,
    settle::{Trespass, is_hive_of},
};
use crate::{
    nt::{NtString, WinPath},
    rules::{EffectRules, Effects, Location, Remap},
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
    /// Variables of its rule files whose new values take along what lies below the old ones.
    pub remaps: Vec<Remap>,
    /// Where it may write.
    pub territory: Territory,
}

/// A place something goes to, and what went otherwise than a rule wished.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Destination<P = WinPath> {
    pub(super) path: P,
    pub(super) regret: Option<String>,
}

/// A registry key by its full name, or a value of it.
pub(super) type KeyPlace = (NtString, Option<NtString>);

/// An entry of an INI file in the target: the file, and section and name in it.
pub(super) type IniPlace = (WinPath, NtString, NtString);

impl<'a> Placed<'a> {
    /// A personality that keeps all its paths.
    pub fn as_it_is(source: &'a dyn Source) -> Self {
        Self { source, placement: Placement::default() }
    }
}

impl Placement {
    /// What the rules say about something at its old place.
    pub(super) fn effects(&self, old: &WinPath, is_folder: bool) -> Effects<'_> {
        let Some(settlement) = &self.settlement else { return Effects::default() };
        let (drive, path) = (settlement.old.drive, settlement.old.below_root(old));
        match is_folder {
            true => settlement.rules.folder(drive, &path),
            false => settlement.rules.file(drive, &path),
        }
    }

    /// What the rules say about an entry of an INI file at its old place.
    pub(super) fn ini_effects(&self, old: &WinPath, section: &NtString, name: &NtString) -> Effects<'_> {
        let Some(settlement) = &self.settlement else { return Effects::default() };
        settlement.rules.ini(settlement.old.drive, &settlement.old.below_root(old), section, name)
    }

    /// Where a file or folder goes. None for a folder that a rule dissolves; several where rules move it and another
    /// component keeps it (`stays`), or several rules move it.
    pub(super) fn destinations(
        &self,
        old: &WinPath,
        effects: &Effects<'_>,
        is_folder: bool,
        stays: bool,
    ) -> Vec<Destination> {
        let Some(settlement) = &self.settlement else {
            return vec![Destination::plain(self.mapping.place(old))];
        };
        settlement.destinations(
            effects,
            stays,
            || {
                let (drive, path) = (settlement.old.drive, settlement.old.below_root(old));
                if is_folder { Location::folder(drive, &path) } else { Location::file(drive, &path) }
            },
            |place| settlement.on_volume(place.drive_and_path()?),
            || self.mapping.place(old),
        )
    }

    /// Where an entry of an INI file goes.
    pub(super) fn ini_destinations(
        &self,
        (old, section, name): (&WinPath, &NtString, &NtString),
        effects: &Effects<'_>,
        stays: bool,
    ) -> Vec<Destination<IniPlace>> {
        let own = || (self.mapping.place(old), section.clone(), name.clone());
        let Some(settlement) = &self.settlement else { return vec![Destination::plain(own())] };
        settlement.destinations(
            effects,
            stays,
            || Location::ini(settlement.old.drive, &settlement.old.below_root(old), section, name),
            |place| {
                let (drive, path, section, name) = place.ini_entry()?;
                Some((settlement.on_volume((drive, path))?, section, name))
            },
            own,
        )
    }

    /// Where a registry key goes, or a value of it.
    pub(super) fn key_destinations(
        &self,
        key: &NtString,
        value: Option<&NtString>,
        effects: &Effects<'_>,
        stays: bool,
    ) -> Vec<Destination<KeyPlace>> {
        let own = || (key.clone(), value.cloned());
        let Some(settlement) = &self.settlement else { return vec![Destination::plain(own())] };
        settlement.destinations(
            effects,
            stays,
            || value.map_or_else(|| Location::key(key), |value| Location::value(key, value)),
            |place| Some((place.key_name()?, place.leaf.clone())),
            own,
        )
    }

    /// Where a path that the old Windows wrote leads now, rules and all; none when it is where it was.
    pub(super) fn relocate(&self, text: &str) -> Option<String> {
        let settlement = self.settlement.as_ref()?;
        let old = settlement.old.locate(text)?;
        let effects = self.effects(&old, false);
        let new = self.destinations(&old, &effects, false, false).into_iter().next()?.path;
        let new = settlement.new.text(&new);
        (!NtString::from(new.as_str()).eq_ignore_case(&text.into())).then_some(new)
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

impl<P> Destination<P> {
    fn plain(path: P) -> Self {
        Self { path, regret: None }
    }
}

impl Settlement {
    /// The value of a variable of the new Windows.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.new.variables.expand_fully(self.new.variables.get(name)?)
    }

    /// The known folders of the old Windows.
    fn old_folders(&self) -> Vec<String> {
        let known = self.old.variables.iter().filter(|(name, _)| name.starts_with("CSIDL_"));
        known.map(|(_, folder)| folder.to_owned()).collect()
    }

    /// The place on the target of a path with its drive; none when it is on another drive.
    fn on_volume(&self, (drive, path): (char, WinPath)) -> Option<WinPath> {
        drive.eq_ignore_ascii_case(&self.new.drive).then(|| self.new.root.join_path(&path))
    }

    /// Where an object of the old Windows goes by the rules: `object` makes it, `to_place` gives the place of the target
    /// that a location is, and `own` the place it has without any rule.
    fn destinations<P: PartialEq>(
        &self,
        effects: &Effects<'_>,
        stays: bool,
        object: impl FnOnce() -> Location,
        to_place: impl Fn(&Location) -> Option<P>,
        own: impl FnOnce() -> P,
    ) -> Vec<Destination<P>> {
        if effects.location_modify.is_empty() && self.remaps.is_empty() {
            return vec![Destination::plain(own())];
        }
        let object = object();
        let variable = |name: &str| self.variable(name);
        let locations = effects.locations(&object, stays, &self.old_folders(), &variable);
        let mut regrets: Vec<String> = (locations.undone.iter())
            .map(|(rule, reason)| format!("{reason} (rule of {}, {})", rule.place, rule.component))
            .collect();
        let mut all: Vec<Destination<P>> = Vec::new();
        let mut is_kept = locations.stays;
        for place in &locations.places {
            match to_place(place) {
                Some(path) if all.iter().any(|known| known.path == path) => {}
                Some(path) => all.push(Destination::plain(path)),
                None => {
                    is_kept = true;
                    regrets.push(format!("a rule moves it to {place}, which this target does not have"));
                }
            }
        }
        if is_kept {
            // Without a rule of its own it follows a variable that it lies below, or else its folder.
            let remapped = object.remapped(&self.remaps, &variable).and_then(|place| to_place(&place));
            let path = remapped.unwrap_or_else(own);
            if !all.iter().any(|known| known.path == path) {
                all.push(Destination::plain(path));
            }
        }
        if let Some(last) = all.last_mut().filter(|_| !regrets.is_empty()) {
            last.regret = Some(regrets.join("; "));
        }
        all
    }
}
