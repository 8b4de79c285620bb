//! What of an item a target can hold, and what of it is written at all.

use super::names;
use crate::{
    gather::{FileItem, Reparse, StreamItem},
    inject::{ATTRIBUTE_COMPRESSED, DERIVED_ATTRIBUTES, Feature, Support},
    record::{Outcome, Record},
};

/// `IO_REPARSE_TAG_CLOUD`, and where its sixteen variants differ.
const CLOUD_TAG: u32 = 0x9000_001A;
const CLOUD_MASK: u32 = 0xFFFF_0FFF;

/// Why an item cannot be written truthfully, whatever its name, to what supports this.
pub(in crate::inject) fn unfit(item: &FileItem, support: &Support) -> Option<(Outcome, String)> {
    let main = item.streams.iter().find(|stream| stream.name.is_empty());
    if kept_reparse(item).is_some() && !support.features.contains(&Feature::ReparsePoints) {
        return Some((
            Outcome::Skipped,
            "it is a link or another reparse point, which the target cannot hold".into(),
        ));
    }
    let main = main?;
    if main.encrypted {
        return Some((
            Outcome::Skipped,
            "it is encrypted by EFS and stays in the datastore as it was on the disk, which nothing puts back; decrypt it in the old Windows (`cipher /d`) and extract again"
                .into(),
        ));
    }
    if main.content.is_none() {
        return Some((Outcome::Skipped, "the old volume did not have its contents".into()));
    }
    let missing = main.unreadable.iter().fold(0_u64, |sum, range| sum.saturating_add(range.len));
    (missing > 0)
        .then(|| (Outcome::Failed, format!("{missing} of its bytes could not be read from the old volume")))
}

pub(super) fn drop_bad_short_names(item: &mut FileItem, record: &Record) {
    for name in &mut item.names {
        if let Some(Err(problem)) = name.short.as_ref().map(names::check_short) {
            record.note(
                Outcome::Partial,
                name.path.to_string(),
                format!("it loses its short name: {problem}"),
            );
            name.short = None;
        }
    }
}

/// What an item has and the target cannot hold.
pub(super) fn lost(item: &FileItem, name_count: usize, support: &Support) -> Vec<Feature> {
    let any = |test: fn(&StreamItem) -> bool| item.streams.iter().any(test);
    let compressed = item.attributes & ATTRIBUTE_COMPRESSED != 0 || any(|stream| stream.compressed);
    let needs = [
        (Feature::CreationTime, !item.times.created.is_zero()),
        (Feature::ChangeTime, !item.times.changed.is_zero()),
        (Feature::ShortNames, item.names.iter().any(|name| name.short.is_some())),
        (Feature::Streams, any(|stream| !stream.name.is_empty())),
        (Feature::SecurityDescriptors, item.security.is_some()),
        (Feature::ReparsePoints, kept_reparse(item).is_some()),
        (Feature::HardLinks, name_count > 1),
        (Feature::Sparse, any(|stream| stream.sparse)),
        (Feature::Compression, compressed),
        (Feature::ExtendedAttributes, item.extended_attributes.is_some()),
        (Feature::ObjectIds, item.object_id.is_some()),
    ];
    let missing = needs.iter().filter(|(feature, needed)| *needed && !support.features.contains(feature));
    // A target may hold some attributes and not others.
    let attributes = item.attributes & !DERIVED_ATTRIBUTES & !support.attributes != 0;
    missing.map(|(feature, _)| *feature).chain(attributes.then_some(Feature::Attributes)).collect()
}

/// The reparse data an item gets back.
///
/// Those of a placeholder or of a deduplicated or system-compressed file are not put back where the data are whole:
/// the tag says that they are kept elsewhere, and what kept them there is not on the new Windows.
pub(in crate::inject) fn kept_reparse(item: &FileItem) -> Option<&Reparse> {
    item.reparse.as_ref().filter(|reparse| item.size() == 0 && reparse.tag & CLOUD_MASK != CLOUD_TAG)
}

/// Whether a stream of an item that is written is written too.
pub(in crate::inject) fn is_written(stream: &StreamItem, support: &Support) -> bool {
    let too_long = support.longest_stream.is_some_and(|longest| stream.size > longest);
    stream.name.is_empty()
        || (support.features.contains(&Feature::Streams)
            && !too_long
            && !stream.encrypted
            && stream.content.is_some()
            && stream.unreadable.is_empty()
            && names::check_stream(&stream.name).is_ok())
}

pub(super) fn why_not(stream: &StreamItem, support: &Support) -> String {
    if let Err(problem) = names::check_stream(&stream.name) {
        return problem.to_string();
    }
    match support.longest_stream {
        Some(longest) if stream.size > longest => {
            format!("it has {} bytes and the target takes streams of at most {longest}", stream.size)
        }
        _ => "its contents are not in the datastore, or not readable".into(),
    }
}
