//! Helper functions of the migration language: the table of those that exist, where each may stand and what becomes of
//! it here, and [`Call`], a call as written.

use serde::{Deserialize, Serialize};

use super::diagnostic::Place;
use crate::nt::plural;

/// What becomes of a construct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    /// Evaluated when the plan is made.
    Runs,
    /// Carried in the personality: done when it is injected, or at the first start of the new Windows.
    Deferred,
    /// Not done; the report says so.
    Unsupported,
}

/// Where a function may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Condition,
    Filter,
    Content,
    ContentModify,
    LocationModify,
    Merge,
    VariableScript,
    ObjectScript,
    Processing,
    LocationScript,
}

impl Use {
    /// The place in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Condition => "a condition",
            Self::Filter => "the filter of include or exclude",
            Self::Content => "the filter of content",
            Self::ContentModify => "contentModify",
            Self::LocationModify => "locationModify",
            Self::Merge => "merge",
            Self::VariableScript => "the script of a variable",
            Self::ObjectScript => "the script of an objectSet",
            Self::Processing => "the script of processing",
            Self::LocationScript => "the script of addObjects",
        }
    }
}

/// One helper function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) uses: &'static [Use],
    /// Fewest and most arguments.
    pub(super) arguments: (usize, usize),
    pub(super) support: Support,
    /// Why it is not done, as a sentence; empty where that needs none.
    pub(super) note: &'static str,
}

impl Function {
    /// The function of this name, in any case.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
    }
}

macro_rules! functions {
    ($($name:ident [$($place:ident)+] $min:literal..$max:literal $support:ident $($note:literal)?;)+) => {
        &[$(Function {
            name: stringify!($name),
            uses: &[$(Use::$place),+],
            arguments: ($min, $max),
            support: Support::$support,
            note: concat!($($note)?),
        }),+]
    };
}

/// Every function the manual documents or the real files use.
///
/// Reference: Microsoft, USMT, "XML Elements Library" (the helper functions), and for the last block the shipped
/// MigApp.xml, MigDocs.xml and replacement manifests, which use what the manual does not describe.
static FUNCTIONS: &[Function] = functions! {
    DoesOSMatch [Condition] 2..2 Runs;
    IsNative64Bit [Condition] 0..0 Runs;
    IsOSLaterThan [Condition] 2..2 Runs;
    IsOSEarlierThan [Condition] 2..2 Runs;
    DoesObjectExist [Condition] 2..2 Runs;
    DoesFileVersionMatch [Condition] 3..3 Runs;
    IsFileVersionAbove [Condition] 3..3 Runs;
    IsFileVersionBelow [Condition] 3..3 Runs;
    IsSystemContext [Condition] 0..0 Runs;
    DoesStringContentEqual [Condition] 3..3 Runs;
    DoesStringContentContain [Condition] 3..3 Runs;
    IsSameObject [Condition] 3..3 Runs;
    IsSameContent [Condition] 4..4 Runs;
    IsSameStringContent [Condition] 4..4 Runs;
    IsUpgrade [Condition] 0..0 Runs;
    IsMigrationScope [Condition] 1..1 Runs;

    IgnoreIrrelevantLinks [Filter] 0..0 Deferred;
    AnswerNo [Filter] 0..0 Runs;
    NeverRestore [Filter] 0..0 Deferred;
    CompareStringContent [Filter] 1..2 Runs;
    SameRegContent [Filter] 0..4 Unsupported;
    FileProperties [Filter] 3..3 Runs;

    ExtractSingleFile [Content] 0..2 Runs;
    ExtractMultipleFiles [Content] 0..2 Runs;
    ExtractDirectory [Content] 2..3 Runs;

    ConvertToDWORD [ContentModify] 0..1 Deferred;
    ConvertToString [ContentModify] 0..1 Deferred;
    ConvertToBinary [ContentModify] 0..0 Deferred;
    OffsetValue [ContentModify] 1..1 Deferred;
    SetValueByTable [ContentModify] 2..3 Deferred;
    KeepExisting [ContentModify] 1..16 Deferred;
    MergeMultiSzContent [ContentModify] 2..64 Deferred;
    MergeDelimitedContent [ContentModify] 3..64 Deferred;

    SourcePriority [Merge] 0..0 Deferred;
    DestinationPriority [Merge] 0..0 Deferred;
    FindFilePlaceByPattern [Merge] 1..1 Deferred;
    NewestVersion [Merge] 1..1 Deferred;
    HigherValue [Merge] 0..0 Deferred;
    LowerValue [Merge] 0..0 Deferred;
    LeafPattern [Merge] 0..1 Unsupported;

    ExactMove [LocationModify] 1..1 Deferred;
    RelativeMove [LocationModify] 2..2 Deferred;
    Move [LocationModify] 1..1 Deferred;

    GetStringContent [VariableScript] 2..5 Runs;
    GenerateDrivePatterns [ObjectScript] 2..2 Runs;
    GenerateUserPatterns [ObjectScript] 3..3 Runs;
    GenerateDocPatterns [ObjectScript] 0..3 Runs;

    AskForLogoff [Processing] 0..0 Runs;
    KillExplorer [Processing] 0..0 Runs;
    RestartExplorer [Processing] 0..0 Runs;
    RegisterFonts [Processing] 1..1 Unsupported
        "Windows registers the fonts it has entries for when it starts; others have to be installed.";
    RemoveEmptyDirectories [Processing] 1..1 Unsupported
        "It would delete after the inject, where no undo could bring back what was there; empty folders stay.";
    StartService [Processing] 1..8 Deferred;
    StopService [Processing] 1..8 Deferred;
    SyncSCM [Processing] 1..8 Deferred;
    ConvertToShortFileName [Processing] 1..1 Unsupported
        "The new volume makes short names by itself, or none; the value keeps the long path.";

    AntiAlias [Processing ContentModify ObjectScript] 0..8 Unsupported;
    ConvertScreenSaver [Processing ContentModify ObjectScript] 0..8 Unsupported;
    ConvertShowIEOnDesktop [Processing ContentModify ObjectScript] 0..8 Unsupported;
    MigrateActiveDesktop [Processing ContentModify ObjectScript] 0..8 Unsupported;
    MigrateAppearanceUPM [Processing ContentModify ObjectScript LocationScript] 0..8 Unsupported;
    MigrateDisplayCS [Processing ContentModify ObjectScript LocationScript] 0..8 Unsupported;
    MigrateDisplaySS [Processing ContentModify ObjectScript LocationScript] 0..8 Unsupported;
    MigrateIEAutoSearch [Processing ContentModify ObjectScript LocationScript] 0..8 Unsupported;
    MigrateMouseUPM [Processing ContentModify ObjectScript LocationScript] 0..8 Unsupported;
    MigrateSoundSysTray [Processing ContentModify ObjectScript LocationScript] 0..8 Unsupported;
    MigrateTaskBarSS [Processing ContentModify ObjectScript LocationScript] 0..8 Unsupported;
    SetPstPathInMapiStruc [ContentModify] 0..1 Deferred;

    ConvertToOfficeLangID [ContentModify] 1..3 Deferred;
    MergeShellLibraries [ContentModify] 2..2 Deferred;
    SetPstPathInMapiStruct [ContentModify] 0..1 Deferred;
    UpdateMvBinaryMapiStruct [ContentModify] 0..0 Deferred;
    ExtractSingleFileUnicodeBin [Content] 0..0 Runs;
    ExtractSingleFileAnsiBin [Content] 0..0 Runs;
};

/// A call of a helper function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The function's name in its usual spelling.
    pub name: String,
    /// Its arguments as written; none for `NULL` or an empty argument.
    pub arguments: Vec<Option<String>>,
    /// What becomes of it.
    pub support: Support,
    /// Where it stands.
    pub place: Place,
}

impl Call {
    /// Why it is not done, as a sentence; empty where that needs none.
    pub(super) fn note(&self) -> &'static str {
        Function::named(&self.name).map_or("", |function| function.note)
    }

    /// An argument's text; empty for `NULL` or one left out.
    pub(super) fn text(&self, index: usize) -> &str {
        self.argument(index).unwrap_or_default()
    }

    pub(super) fn argument(&self, index: usize) -> Option<&str> {
        self.arguments.get(index).and_then(Option::as_deref)
    }
}

/// Why a text is not a call.
pub(super) struct Malformed {
    /// Bytes from the start of the text.
    pub(super) at: usize,
    pub(super) message: String,
}

/// Reads `Prefix.Name(arguments)`. `libraries` are the prefixes the file declares; their functions are known only when
/// they are in the table.
pub(super) fn parse_call(
    text: &str,
    place: Place,
    used_as: Use,
    libraries: &[String],
) -> Result<Call, Malformed> {
    let malformed = |at: usize, message: String| Malformed { at, message };
    let Some(open) = text.find('(') else {
        return Err(malformed(
            0,
            "A helper function is called here, as in `MigXmlHelper.Name(arguments)`.".to_owned(),
        ));
    };
    let written = text.get(..open).unwrap_or_default().trim();
    let (prefix, name) = match written.split_once('.') {
        Some((prefix, name)) => (prefix.trim(), name.trim()),
        None => ("MigXmlHelper", written),
    };
    let own_library = libraries.iter().any(|library| library.eq_ignore_ascii_case(prefix));
    if !own_library
        && !["MigXmlHelper", "MigSysHelper"].iter().any(|known| prefix.eq_ignore_ascii_case(known))
    {
        let message =
            format!("`{prefix}` is no library of this file; helper functions begin with `MigXmlHelper.`.");
        return Err(malformed(0, message));
    }
    let arguments = parse_arguments(text, open.saturating_add(1))?;
    let Some(function) = Function::named(name) else {
        if own_library {
            // A DLL of the file's author: it cannot run here, and the report says so.
            return Ok(Call { name: written.to_owned(), arguments, support: Support::Unsupported, place });
        }
        let near = nearest(name).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
        return Err(malformed(0, format!("`{name}` is not a helper function.{near}")));
    };
    if !function.uses.contains(&used_as) {
        let belongs = function.uses.first().map(|place| place.words()).unwrap_or_default();
        let message = format!("`{}` belongs in {belongs}, not in {}.", function.name, used_as.words());
        return Err(malformed(0, message));
    }
    // `NULL` may be left out at the end, so only too many are wrong, or too few that are required.
    let (fewest, most) = function.arguments;
    if arguments.len() > most || arguments.len() < fewest {
        let wanted = if fewest == most { format!("{fewest}") } else { format!("{fewest} to {most}") };
        let message = format!(
            "`{}` takes {wanted} {}, not {}.",
            function.name,
            plural(most, "argument"),
            arguments.len()
        );
        return Err(malformed(open, message));
    }
    Ok(Call { name: function.name.to_owned(), arguments, support: function.support, place })
}

/// Reads the arguments from behind the opening parenthesis to the closing one and nothing behind it.
fn parse_arguments(text: &str, start: usize) -> Result<Vec<Option<String>>, Malformed> {
    let mut arguments = Vec::new();
    let mut chars = text.char_indices().skip_while(|(at, _)| *at < start).peekable();
    let mut closed = false;
    // An argument is complete and a comma or the end must follow.
    let mut complete = false;
    let mut bare = String::new();
    let mut any = false;
    while let Some((at, c)) = chars.next() {
        match c {
            '"' | '\'' if complete || !bare.trim().is_empty() => {
                return Err(Malformed { at, message: "A comma is missing before this argument.".to_owned() });
            }
            '"' | '\'' => {
                let mut value = String::new();
                let mut ended = false;
                for (_, inner) in chars.by_ref() {
                    if inner == c {
                        ended = true;
                        break;
                    }
                    value.push(inner);
                }
                if !ended {
                    return Err(Malformed { at, message: "This quotation mark is never closed.".to_owned() });
                }
                // `'NULL'` in quotes occurs in the shipped rules and means the same.
                let value = Some(value).filter(|value| !value.trim().eq_ignore_ascii_case("null"));
                arguments.push(value);
                complete = true;
                any = true;
            }
            ',' => {
                if !complete {
                    push_bare(&mut arguments, &mut bare, at)?;
                }
                complete = false;
                any = true;
            }
            ')' => {
                closed = true;
                if !complete && (any || !bare.is_empty()) {
                    push_bare(&mut arguments, &mut bare, at)?;
                }
                break;
            }
            c if c.is_whitespace() => {}
            _ if complete => {
                return Err(Malformed { at, message: "A comma is missing before this argument.".to_owned() });
            }
            c => bare.push(c),
        }
    }
    if !closed {
        return Err(Malformed { at: text.len(), message: "The closing parenthesis is missing.".to_owned() });
    }
    if let Some((at, _)) = chars.find(|(_, c)| !c.is_whitespace() && *c != ';') {
        return Err(Malformed { at, message: "Nothing may follow the closing parenthesis.".to_owned() });
    }
    Ok(arguments)
}

/// An argument without quotation marks: nothing or `NULL`; a number or a word is taken as it stands.
fn push_bare(arguments: &mut Vec<Option<String>>, bare: &mut String, at: usize) -> Result<(), Malformed> {
    let word = std::mem::take(bare);
    if word.is_empty() || word.eq_ignore_ascii_case("null") {
        arguments.push(None);
    } else if word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        arguments.push(Some(word));
    } else {
        let message = format!("The argument `{word}` needs quotation marks.");
        return Err(Malformed { at: at.saturating_sub(word.len()), message });
    }
    Ok(())
}

/// The function whose name is closest, when it is close enough to be a slip of the finger.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    FUNCTIONS
        .iter()
        .map(|function| (distance(&name, &function.name.to_ascii_lowercase()), function.name))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, name)| name)
}

/// Levenshtein distance; both texts are short names.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        let mut next = vec![left];
        for (to, &above) in b.chars().zip(row.iter().skip(1)) {
            let cost = if from == to { diagonal } else { diagonal.min(above).min(left).saturating_add(1) };
            diagonal = above;
            left = cost;
            next.push(cost);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn call(text: &str, used_as: Use) -> Result<Call, String> {
        let place = Place { file: "t".into(), line: 1, column: 1 };
        parse_call(text, place, used_as, &[]).map_err(|malformed| malformed.message)
    }

    #[test]
    fn calls_are_read_as_real_files_write_them() {
        let read = |text, used_as| call(text, used_as).unwrap().arguments;
        assert_eq!(
            read("MigXmlHelper.GenerateDrivePatterns (\"* [*.doc]\", \"Fixed\")", Use::ObjectScript),
            [Some("* [*.doc]".to_owned()), Some("Fixed".to_owned())]
        );
        assert_eq!(read("MigXmlHelper.ExtractSingleFile(NULL,'NULL')", Use::Content), [None, None]);
        assert_eq!(read("migxmlhelper.extractsinglefile()", Use::Content), Vec::<Option<String>>::new());
        assert_eq!(
            read(r#"MigXmlHelper.GetStringContent("Registry","K []","0",'"','"\')"#, Use::VariableScript)
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect::<Vec<_>>(),
            ["Registry", "K []", "0", "\"", "\"\\"]
        );
        assert_eq!(read("MigSysHelper.SetPstPathInMapiStruct ()", Use::ContentModify).len(), 0);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, used_as, expected) in [
            (
                "MigXmlHelper.DoesObjectExists(\"File\",\"x\")",
                Use::Condition,
                "Did you mean `DoesObjectExist`",
            ),
            ("MigXmlHelper.SourcePriority()", Use::Condition, "belongs in merge"),
            ("MigXmlHelper.IsOSLaterThan(\"NT\")", Use::Condition, "takes 2 arguments, not 1"),
            ("MigXmlHelper.IsOSLaterThan(\"NT\" \"6.0\")", Use::Condition, "comma is missing"),
            ("MigXmlHelper.IsOSLaterThan(\"NT\",\"6.0)", Use::Condition, "never closed"),
            ("MigXmlHelper.IsNative64Bit(", Use::Condition, "closing parenthesis"),
            ("MigXmlHelper.IsNative64Bit() x", Use::Condition, "Nothing may follow"),
            ("Helper.IsNative64Bit()", Use::Condition, "no library"),
            ("C:\\x", Use::Condition, "helper function is called"),
        ] {
            let error = call(text, used_as).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
