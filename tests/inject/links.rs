//! Links of a personality lead where the thing now is, and are put back only where there is something to lead to.

use std::{io::Read, process::Command};

use coldstate::{
    gather::{Content, Item, Restore},
    inject::{self, InjectError, Merge, Options, Placed, Source, SourceError},
    record::{Outcome, Record},
};

use super::{
    lnk::{ENVIRONMENT, Link},
    new_windows::{self, anna, old_variables, place, under},
    personality::Personality,
    settled::Settled,
};

const DESKTOP: &str = r"\Users\anna.old\Desktop";

fn injected(name: &str, bytes: &[u8]) -> (Vec<u8>, Vec<coldstate::record::Note>) {
    let new = Settled::in_a_folder();
    let mut p = Personality::default();
    p.file(&format!(r"{DESKTOP}\{name}"), bytes, |_, _| {});
    let (_, notes) = new.inject(&p, &[], Merge::Refuse);
    let before = new.bytes(&format!(r"\Users\anna\Desktop\{name}"));
    let (done, _) = new.inject(&p, &[], Merge::Refuse);
    assert_eq!(done.files, 0, "{name}: a second run");
    (before.unwrap_or_else(|| panic!("{name} is not there: {notes:?}")), notes)
}

#[test]
fn a_shell_link_leads_to_the_new_place() {
    const OLD: &str = r"C:\Users\anna.old\My Documents\a\b.doc";
    const NEW: &str = r"C:\Users\anna\Documents\a\b.doc";
    let full = Link::to(OLD, r"..\My Documents\a\b.doc", r"C:\Users\anna.old\My Documents\a");
    let (bytes, notes) = injected("full.lnk", &full.to_bytes());
    let link = Link::read(&bytes);
    assert_eq!(link.local.as_deref(), Some(NEW));
    assert_eq!(link.strings[1].as_deref(), Some(r"..\Documents\a\b.doc"));
    assert_eq!(link.strings[2].as_deref(), Some(r"C:\Users\anna\Documents\a"));
    assert!(link.id_list.is_empty() && link.blocks.is_empty(), "what describes the old place: {link:?}");
    assert_eq!(notes.iter().filter(|note| note.item.contains("full")).count(), 0, "{notes:?}");
    // Another program reads it so too.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("full.lnk");
    fs_err::write(&path, &bytes).unwrap();
    match Command::new("lnkinfo").arg(&path).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            for (what, expected) in [
                ("Local path", NEW),
                ("Relative path", r"..\Documents\a\b.doc"),
                ("Working directory", r"C:\Users\anna\Documents\a"),
            ] {
                let line = text.lines().find(|line| line.trim().starts_with(what));
                assert!(line.is_some_and(|line| line.ends_with(&format!(": {expected}"))), "{what}: {text}");
            }
        }
        Err(_) => println!("skipped: lnkinfo (liblnk-utils) is not installed"),
    }

    // One of XP, whose texts are in the code page; arguments and icon of the user.
    let mut narrow = Link { is_wide: false, ..full.clone() };
    narrow.strings[3] = Some(r#"/open "C:\Users\anna.old\Desktop\x y.txt""#.into());
    narrow.strings[4] = Some(r"C:\Users\anna.old\AppData\Roaming\icon.ico".into());
    let link = Link::read(&injected("narrow.lnk", &narrow.to_bytes()).0);
    assert_eq!(link.local.as_deref(), Some(NEW));
    assert_eq!(link.strings[3].as_deref(), Some(r#"/open "C:\Users\anna\Desktop\x y.txt""#));
    assert_eq!(link.strings[4].as_deref(), Some(r"C:\Users\anna\AppData\Roaming\icon.ico"));

    // With variables: right as it is, and not.
    let right = Link::to(r"C:\Users\anna.old\Desktop\n.txt", r".\n.txt", "")
        .with_environment(r"%USERPROFILE%\Desktop\n.txt");
    let link = Link::read(&injected("right.lnk", &right.to_bytes()).0);
    assert_eq!(link.environment().as_deref(), Some(r"%USERPROFILE%\Desktop\n.txt"));
    assert_eq!(link.local.as_deref(), Some(r"C:\Users\anna\Desktop\n.txt"));
    let wrong = Link { local: None, ..right }.with_environment(r"%USERPROFILE%\My Documents\n.txt");
    let wrong = Link {
        blocks: wrong
            .blocks
            .into_iter()
            .filter(|(_, data)| !data.starts_with(br"%USERPROFILE%\Desktop"))
            .collect(),
        ..wrong
    };
    let link = Link::read(&injected("wrong.lnk", &wrong.to_bytes()).0);
    assert_eq!(link.environment().as_deref(), Some(r"C:\Users\anna\Documents\n.txt"));
    assert_eq!(link.blocks.iter().map(|(signature, _)| *signature).collect::<Vec<_>>(), [ENVIRONMENT]);
}

#[test]
fn a_link_that_leads_elsewhere_or_is_none_stays_as_it_is() {
    let others = [
        (
            "program.lnk",
            Link::to(r"C:\Windows\notepad.exe", r"..\..\..\Windows\notepad.exe", r"C:\Windows").to_bytes(),
        ),
        ("server.lnk", Link { local: None, ..Link::to("", r"..\x", r"\\server\share") }.to_bytes()),
    ];
    for (name, bytes) in others {
        let (after, _) = injected(name, &bytes);
        assert_eq!(Link::read(&after).local, Link::read(&bytes).local, "{name}");
        assert_eq!(Link::read(&after).id_list, Link::read(&bytes).id_list, "{name}");
    }
    let (after, notes) = injected("no.lnk", b"L\0\0\0 and then nothing of a link");
    assert_eq!(after, b"L\0\0\0 and then nothing of a link");
    assert!(
        notes.iter().any(|note| note.item.ends_with("no.lnk") && note.outcome == Outcome::Partial),
        "{notes:?}"
    );
    // Cut off anywhere, it is noted or kept, and never half a link.
    let whole = Link::to(r"C:\Users\anna.old\Desktop\x", r".\x", r"C:\Users\anna.old\Desktop").to_bytes();
    let new = Settled::in_a_folder();
    let mut p = Personality::default();
    for len in (0..whole.len() - 4).step_by(7) {
        p.file(&format!(r"{DESKTOP}\{len}.lnk"), &whole[..len], |_, _| {});
    }
    new.inject(&p, &[], Merge::Refuse);
    for len in (0..whole.len() - 4).step_by(7) {
        let after = new.bytes(&format!(r"\Users\anna\Desktop\{len}.lnk")).unwrap();
        let has = |text: &str| {
            let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            after.windows(text.len()).any(|part| part == text)
        };
        let is_rewritten = has(r"C:\Users\anna\Desktop\x") && !has("anna.old");
        assert!(after == whole[..len] || is_rewritten, "{len}");
    }
}

#[test]
fn a_link_is_put_back_only_where_its_target_is_or_will_be() {
    let new = Settled::in_a_folder();
    new.write(r"\Program Files\Tool\tool.exe", "MZ");
    let mut p = Personality::default();
    for (name, target) in [
        ("there.lnk", r"C:\Program Files\Tool\tool.exe"),
        ("comes.lnk", r"C:\Users\anna.old\My Documents\comes.doc"),
        ("gone.lnk", r"C:\Program Files\Gone\gone.exe"),
        ("elsewhere.lnk", r"E:\data\x.doc"),
    ] {
        let bytes = Link::to(target, "", "").to_bytes();
        p.file(&format!(r"{DESKTOP}\{name}"), &bytes, |_, item| item.restore = Some(Restore::IfTargetExists));
    }
    p.file(r"\Users\anna.old\My Documents\comes.doc", b"x", |_, _| {});
    let (_, notes) = new.inject(&p, &[], Merge::Refuse);
    let is_there = |name: &str| under(new.root(), &format!(r"\Users\anna\Desktop\{name}")).exists();
    assert_eq!(
        ["there.lnk", "comes.lnk", "gone.lnk", "elsewhere.lnk"].map(is_there),
        [true, true, false, true],
        "{notes:?}"
    );
    let told: Vec<_> = notes.iter().filter(|note| note.outcome == Outcome::LeftOut).collect();
    assert!(matches!(&*told, [note] if note.item.ends_with("gone.lnk")), "{notes:?}");
}

#[test]
fn an_internet_shortcut_to_a_file_leads_to_the_new_place() {
    let old = "[{000214A0-0000-0000-C000-000000000046}]\r\nProp3=19,2\r\n[InternetShortcut]\r\n\
        URL=file:///C:/Users/anna.old/My%20Documents/a%20b.htm\r\nBASEURL=https://example.org/\r\n\
        IconFile=C:\\Users\\anna.old\\Desktop\\x.ico\r\nIconIndex=0\r\n";
    let (after, _) = injected("file.url", old.as_bytes());
    let expected = old
        .replace("C:/Users/anna.old/My%20Documents", "C:/Users/anna/Documents")
        .replace(r"C:\Users\anna.old\Desktop", r"C:\Users\anna\Desktop");
    assert_eq!(String::from_utf8(after).unwrap(), expected);
    let web = b"[InternetShortcut]\nURL=https://example.org/C:/Users/anna.old\n";
    assert_eq!(injected("web.url", web).0, web);
    assert_eq!(injected("empty.url", b"").0, b"");
}

fn library(locations: &[&str]) -> String {
    let connectors: String = locations
        .iter()
        .map(|url| {
            format!(
                "<searchConnectorDescription><isDefaultSaveLocation>true</isDefaultSaveLocation>\
                 <simpleLocation><url>{url}</url><serialized>MBAAAEAFCAAAA</serialized></simpleLocation>\
                 </searchConnectorDescription>"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <libraryDescription xmlns=\"http://schemas.microsoft.com/windows/2009/library\">\
         <ownerSID>S-1-5-21-1004336348-1177238915-682003330-1001</ownerSID>\
         <searchConnectorDescriptionList>{connectors}</searchConnectorDescriptionList></libraryDescription>"
    )
}

#[test]
fn a_library_has_its_locations_in_their_new_places() {
    let old = library(&[r"C:\Users\anna.old\My Documents\Tom &amp; Sons", "knownfolder:{FDD39AD0}"]);
    let text = String::from_utf8(injected("Mine.library-ms", old.as_bytes()).0).unwrap();
    for part in [r"<url>C:\Users\anna\Documents\Tom &amp; Sons</url>", "<url>knownfolder:{FDD39AD0}</url>"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("<ownerSID>S-1-5-21-9-8-7-1001</ownerSID>"), "{text}");
    assert!(!text.contains("serialized"), "they lead to the old place: {text}");

    // Where there is one of that name, it gets the locations it lacks.
    let new = Settled::in_a_folder();
    let path = r"\Users\anna\AppData\Roaming\Microsoft\Windows\Libraries\Documents.library-ms";
    new.write(path, library(&["knownfolder:{FDD39AD0}"]));
    let mut p = Personality::default();
    p.file(
        r"\Users\anna.old\AppData\Roaming\Microsoft\Windows\Libraries\Documents.library-ms",
        old.as_bytes(),
        |_, _| {},
    );
    new.inject(&p, &[], Merge::Keep);
    let merged = new.text(path).unwrap();
    assert_eq!(merged.matches("<url>").count(), 2, "{merged}");
    assert_eq!(merged.matches("FDD39AD0").count(), 1, "{merged}");
    assert!(merged.contains(r"C:\Users\anna\Documents\Tom &amp; Sons"), "{merged}");
    let (done, _) = new.inject(&p, &[], Merge::Keep);
    assert_eq!((done.files, new.text(path).as_deref()), (0, Some(&*merged)), "again");
    // What is not text is kept and told.
    let (after, notes) = injected("Bad.library-ms", b"\xFF\xFE\x00");
    assert_eq!(after, b"\xFF\xFE\x00");
    let (after, _) = injected("Odd.library-ms", b"\x80\x81<url>");
    assert_eq!(after, b"\x80\x81<url>", "{notes:?}");
}

/// A datastore that was lost before the plan was made.
struct Gone(Personality);

impl Source for Gone {
    fn items(&self, each: &mut dyn FnMut(Item)) -> Result<(), SourceError> {
        self.0.items(each)
    }

    fn content<'a>(&'a self, _: &'a Content) -> Result<Box<dyn Read + 'a>, SourceError> {
        self.check().map(|()| unreachable!())
    }

    fn check(&self) -> Result<(), SourceError> {
        Err("the datastore is gone".into())
    }
}

#[test]
fn links_whose_datastore_is_gone_are_not_written_with_the_old_paths() {
    let new = Settled::in_a_folder();
    let mut p = Personality::default();
    p.file(&format!(r"{DESKTOP}\x.lnk"), &Link::to(r"C:\Users\anna.old\x", "", "").to_bytes(), |_, _| {});
    let target = inject::open(new.root()).unwrap();
    let windows = new_windows::read(&*target);
    let placement = place(&windows, Some(&anna(&windows)), old_variables(), Vec::new());
    let source = Gone(p);
    let placed = [Placed { source: &source, placement }];
    let record = Record::default();
    let plan = inject::plan(&placed, &*target, &Options::default(), &record);
    assert!(
        matches!(&plan, Err(InjectError::Source(error)) if error.to_string().contains("gone")),
        "{plan:?}"
    );
    assert_eq!(record.notes(), []);
}
