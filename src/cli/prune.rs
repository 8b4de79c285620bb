//! `forget` and `prune`: the two verbs that remove something from a datastore.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    args,
    console::{Console, bytes},
    error::UserError,
    exit::Exit,
    interrupt,
    store::{self, describe, store_error},
};
use crate::{
    nt::counted,
    record::Record,
    store::{Datastore, Keep, Listing, Personality, Pruned, Pruning, StoreError},
};

/// A personality that is removed, as `--json` says it.
#[derive(Serialize)]
struct Forgotten {
    name: String,
    /// Whose it is; none when it cannot be read.
    of: Option<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    dry_run: bool,
    forgotten: Vec<Forgotten>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned: Option<Pruned>,
}

pub(super) fn forget(console: &Console, args: &args::Forget) -> Result<Exit, UserError> {
    if args.whose.computer.is_none() && args.whose.user.is_empty() && args.name.is_empty() {
        let message = "Nothing says which personalities to forget.";
        return Err(UserError::new(Exit::BadArguments, message).hint(
            "Give --computer NAME, --user PATTERN or --name NAME; `coldstate list` shows what is there.",
        ));
    }
    let datastore = store::open_named(&args.store)?;
    let failed = |error: StoreError| store_error(&error, datastore.path());
    let listing = datastore.personalities().map_err(failed)?;
    let forgotten = chosen(&datastore, &listing, args)?;
    if args.dry_run {
        say(console, &forgotten, true);
    } else {
        let names: Vec<&str> = forgotten.iter().map(|one| one.name.as_str()).collect();
        datastore.forget(&names).map_err(failed)?;
        say(console, &forgotten, false);
        console
            .line(format!("`coldstate prune --datastore {}` frees their space", datastore.path().display()));
    }
    console.json(&Report { dry_run: args.dry_run, forgotten, pruned: None });
    Ok(Exit::Done)
}

fn chosen(
    datastore: &Datastore,
    listing: &Listing,
    args: &args::Forget,
) -> Result<Vec<Forgotten>, UserError> {
    if args.name.is_empty() {
        let found = store::of_users(listing.select(args.whose.computer.as_deref(), None), &args.whose.user);
        return if found.is_empty() {
            Err(store::no_match(datastore.path(), listing, &args.whose))
        } else {
            Ok(forgotten(&found))
        };
    }
    let find = |name: &String| {
        let sound = listing.personalities.iter().find(|one| one.name == *name);
        let of = sound.map(describe);
        let is_there = of.is_some() || listing.damaged.iter().any(|(damaged, _)| damaged == name);
        let missing = || {
            UserError::new(Exit::BadArguments, format!("The datastore has no personality `{name}`."))
                .hint("`coldstate list --all --json` says their names.")
        };
        is_there.then(|| Forgotten { name: name.clone(), of }).ok_or_else(missing)
    };
    args.name.iter().map(find).collect()
}

fn forgotten(personalities: &[&Personality]) -> Vec<Forgotten> {
    personalities.iter().map(|one| Forgotten { name: one.name.clone(), of: Some(describe(one)) }).collect()
}

fn say(console: &Console, forgotten: &[Forgotten], dry_run: bool) {
    let verb = if dry_run { "would be forgotten" } else { "forgotten" };
    for Forgotten { name, of } in forgotten {
        let text = match of {
            Some(of) => format!("{verb}: {of} ({name})"),
            None => format!("{verb}: {name}, which is damaged"),
        };
        console.line(text);
    }
}

pub(super) fn prune(console: &Console, args: &args::Prune) -> Result<Exit, UserError> {
    let datastore = store::open_named(&args.store)?;
    let failed = |error: StoreError| store_error(&error, datastore.path());
    let record = Arc::new(Record::default());
    interrupt::cancels(&record);
    let listing = datastore.personalities().map_err(failed)?;
    let keep = Keep { days: args.older_than, last: args.keep_last.and_then(|last| last.try_into().ok()) };
    let expired = datastore.expired(&listing, &keep).map_err(failed)?;
    let forgotten = forgotten(&expired);
    let names: Vec<&str> = forgotten.iter().map(|one| one.name.as_str()).collect();
    let how = Pruning {
        dead_after: Duration::from_secs(u64::from(args.dead_after) * 3600),
        share_delay: Duration::from_secs(args.share_delay.into()),
        dry_run: args.dry_run,
    };
    if !args.dry_run {
        datastore.forget(&names).map_err(failed)?;
    }
    say(console, &forgotten, args.dry_run);
    let pruned = {
        let _progress = console.progress("pruning", &record);
        datastore.prune(&how, &names, &record.progress).map_err(failed)?
    };
    summary(console, &pruned, args.dry_run);
    console.json(&Report { dry_run: args.dry_run, forgotten, pruned: Some(pruned) });
    Ok(if pruned.damaged_packs == 0 { Exit::Done } else { Exit::DatastoreDamaged })
}

fn summary(console: &Console, pruned: &Pruned, dry_run: bool) {
    let verb = if dry_run { "would be removed" } else { "removed" };
    console.line(format!("{} {verb}, {} freed", counted(pruned.packs, "pack"), bytes(pruned.freed())));
    if pruned.links > 0 {
        let links = counted(pruned.links, "hard link");
        console.line(format!("{links} {verb}: what has no other name is freed too"));
    }
    if pruned.dead_runs > 0 {
        console.line(format!("leftovers of {} that died {verb}", counted(pruned.dead_runs, "run")));
    }
    if pruned.waiting_packs > 0 {
        console.line(format!(
            "waiting for runs that are at work: {}, {}; prune again when they have ended",
            counted(pruned.waiting_packs, "pack"),
            bytes(pruned.waiting_bytes)
        ));
    }
    if pruned.damaged_packs > 0 {
        console.warn(format!(
            "kept {} with something in it that is needed and cannot be read; `coldstate verify` says what",
            counted(pruned.damaged_packs, "pack")
        ));
    }
}
