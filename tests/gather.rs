//! What is taken of a volume: everything NTFS keeps of a file, in disk order, with an account of what was not.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::{Arc, Mutex},
};

use coldstate::{
    gather::{
        self, ByteRange, ChunkRef, Content, FileItem, Hash, IniEntry, IniItem, Item, OldFacts, OldWindows,
        Plan, PutError, Restore, Sink,
    },
    nt::{NtString, WinPath},
    ntfs::{Index, Ntfs, StreamKind},
    record::{Outcome, Record},
    rules::{self, Facts, ObjectKind, RuleSet},
    volume::{Disk, ReadAt, ReadError, Volume},
    windows::{self, Installation, Profile},
};

use crate::support::image;

/// A source on which some bytes cannot be read, as on a failing disk.
struct Failing {
    bytes: Vec<u8>,
    bad: Mutex<Vec<std::ops::Range<u64>>>,
}

impl ReadAt for Failing {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let end = offset + buf.len() as u64;
        if self.bad.lock().unwrap().iter().any(|bad| bad.start < end && offset < bad.end) {
            let source = io::Error::other("unrecoverable read error");
            return Err(ReadError::Device { offset, len: buf.len() as u64, source });
        }
        self.bytes.read_exact_at(offset, buf)
    }
}

/// A sink in memory.
#[derive(Default)]
struct Memory {
    contents: Mutex<BTreeMap<Hash, Vec<u8>>>,
    items: Mutex<Vec<Item>>,
    /// Folder, name and number of what it was told is lost.
    lost: Mutex<Vec<(String, String, u32)>>,
}

impl Sink for Memory {
    fn put(&self, data: &mut dyn Read) -> Result<Content, PutError> {
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).map_err(PutError::Read)?;
        let hash = Hash::of(&bytes);
        let len = u32::try_from(bytes.len()).unwrap();
        self.contents.lock().unwrap().insert(hash, bytes);
        Ok(Content { size: u64::from(len), hash, chunks: vec![ChunkRef { id: hash, len }] })
    }

    fn item(&self, item: &Item) -> Result<(), PutError> {
        self.items.lock().unwrap().push(item.clone());
        Ok(())
    }

    fn lost(&self, kind: ObjectKind, node: &str, leaf: &str, code: u32) -> Result<(), PutError> {
        assert_eq!(kind, ObjectKind::File, "nothing here damages a hive");
        self.lost.lock().unwrap().push((node.to_owned(), leaf.to_owned(), code));
        Ok(())
    }
}

impl Memory {
    fn file(&self, path: &str) -> FileItem {
        let path = WinPath::parse(path);
        let items = self.items.lock().unwrap();
        let files = items.iter().filter_map(|item| match item {
            Item::File(file) => Some(file),
            _ => None,
        });
        let mut found = files.filter(|file| file.names.iter().any(|name| name.path == path));
        found.next().cloned().unwrap_or_else(|| panic!("{path} was not taken"))
    }

    fn bytes(&self, content: &Content) -> Vec<u8> {
        self.contents.lock().unwrap()[&content.hash].clone()
    }
}

/// The sample volume, opened on a source whose sectors can be made to fail.
struct Opened {
    source: Arc<Failing>,
    volume: Volume,
    ntfs: Ntfs,
    index: Index,
    installation: Installation,
}

fn open_sample() -> Option<Opened> {
    open("sample")
}

fn open(kind: &str) -> Option<Opened> {
    let bytes = fs_err::read(image(kind)?).unwrap();
    let source = Arc::new(Failing { bytes, bad: Mutex::default() });
    let disk = Disk::new(Arc::clone(&source) as Arc<dyn ReadAt>, kind).unwrap();
    let volume = disk.volumes().remove(0);
    let ntfs = Ntfs::open(&volume).unwrap();
    let index = ntfs.scan(&volume, &|_| {}).unwrap();
    let installation = windows::installations(&volume, &ntfs, &index).remove(0);
    Some(Opened { source, volume, ntfs, index, installation })
}

impl Opened {
    fn old(&self) -> OldWindows<'_> {
        OldWindows {
            volume: &self.volume,
            ntfs: &self.ntfs,
            index: &self.index,
            installation: &self.installation,
            is_written_to: false,
            datastore: None,
        }
    }

    fn anna(&self) -> &Profile {
        self.installation.profiles.iter().find(|profile| profile.name == "anna").unwrap()
    }

    /// Plans and takes anna's personality by the given rules, or the built-in ones.
    fn take(&self, rules: &[(&str, &str)]) -> (Plan, Memory, Record) {
        let builtin = rules::builtin();
        let set = RuleSet::parse(if rules.is_empty() { &builtin } else { rules }).unwrap();
        let machine = OldFacts::new(self.old(), None);
        let facts = OldFacts::new(self.old(), Some(self.anna()));
        let (_, users) = set.compile(&machine, &[&facts as &dyn Facts]);
        let plan = gather::plan(&self.old(), &users[0], self.anna().folder.as_ref());
        let (sink, record) = (Memory::default(), Record::default());
        gather::gather_rules(&users[0], &sink).unwrap();
        gather::gather_files(&self.old(), &plan, &sink, &record).unwrap();
        gather::gather_registry(&facts, &users[0], &sink, &record).unwrap();
        gather::gather_ini(&facts, &users[0], &sink, &record).unwrap();
        gather::gather_added(&facts, &users[0], &sink, &record).unwrap();
        (plan, sink, record)
    }
}

/// A file of anna's whose data lies in clusters, with the offset of its first byte on the volume.
fn a_file_in_clusters(opened: &Opened, plan: &Plan) -> (WinPath, u64, u64) {
    for planned in &plan.files {
        let file = opened.ntfs.file(&opened.volume, planned.record.number).unwrap();
        let Some(data) = file.data().filter(|data| data.kind == StreamKind::Plain && data.size > 20_000)
        else {
            continue;
        };
        if let ([run], Some(lcn)) = (data.runs(), data.first_lcn()) {
            assert!(run.lcn.is_some());
            return (planned.paths[0].clone(), lcn.0 * opened.ntfs.cluster_size(), data.size);
        }
    }
    panic!("the sample has no file of more than 20,000 bytes in one piece");
}

#[test]
fn an_unreadable_sector_costs_its_own_range_and_nothing_else() {
    let Some(opened) = open_sample() else { return };
    let (plan, whole, record) = opened.take(&[]);
    assert_eq!(record.count(Outcome::Failed), 0);
    let (path, offset, size) = a_file_in_clusters(&opened, &plan);
    let before = whole.file(&path.to_string());
    let all = whole.bytes(before.streams[0].content.as_ref().unwrap());

    // One sector in the second cluster of the file.
    opened.source.bad.lock().unwrap().push(offset + 4096 + 512..offset + 4096 + 1024);
    let (_, sink, record) = opened.take(&[]);
    let damaged = sink.file(&path.to_string());
    let data = &damaged.streams[0];
    assert_eq!(data.unreadable, [ByteRange { start: 4096, len: 4096 }]);
    let (head, tail) = (ByteRange { start: 0, len: 4096 }, ByteRange { start: 8192, len: size - 8192 });
    assert_eq!(data.ranges, Some(vec![head, tail]));
    assert!(!data.sparse, "an unreadable range is no hole");
    let kept = sink.bytes(data.content.as_ref().unwrap());
    assert_eq!(kept, [&all[..4096], &all[8192..]].concat());
    let (folder, name) = (path.parent().unwrap(), path.file_name().unwrap());
    let told = (format!("C:{folder}"), name.to_string(), 23);
    assert!(sink.lost.lock().unwrap().contains(&told), "{told:?} in {:?}", sink.lost.lock().unwrap());
    let notes = record.notes();
    let note = notes.iter().find(|note| note.item == path.to_string()).unwrap();
    assert_eq!(note.outcome, Outcome::Partial);
    assert!(note.reason.contains("4096 of its"), "{}", note.reason);

    // Every other file is as it was.
    let files = |sink: &Memory| {
        let items = sink.items.lock().unwrap();
        items
            .iter()
            .filter(|item| matches!(item, Item::File(file) if file.path() != path))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(files(&whole), files(&sink));
}

#[test]
fn files_are_read_in_the_order_of_the_disk_and_folders_come_first() {
    let Some(opened) = open_sample() else { return };
    let (plan, sink, _) = opened.take(&[]);
    let items = sink.items.lock().unwrap();
    let files: Vec<&FileItem> =
        items.iter().filter_map(|item| if let Item::File(file) = item { Some(file) } else { None }).collect();
    let first_file = files.iter().position(|file| !file.directory).unwrap();
    assert!(files[first_file..].iter().all(|file| !file.directory), "folders come first");
    let depths: Vec<WinPath> = files[..first_file].iter().map(|folder| folder.path()).collect();
    for (at, folder) in depths.iter().enumerate() {
        let parent = folder.parent().unwrap();
        assert!(parent.is_root() || depths[..at].contains(&parent), "{folder} comes before its parent");
    }
    assert!(plan.files.is_sorted_by_key(|file| file.first_lcn));
}

#[test]
fn hard_links_are_one_item_and_holes_are_not_read() {
    let Some(opened) = open_sample() else { return };
    let (plan, sink, _) = opened.take(&[]);
    let linked = plan.files.iter().find(|file| file.paths.len() > 1).expect("the sample has hard links");
    let item = sink.file(&linked.paths[1].to_string());
    assert_eq!(item.names.len(), linked.paths.len());
    let sparse = plan.files.iter().find_map(|planned| {
        let file = opened.ntfs.file(&opened.volume, planned.record.number).ok()?;
        let data = file.data()?;
        let in_clusters = data.kind == StreamKind::Plain && !data.runs().is_empty();
        (in_clusters && data.allocated * 2 < data.size).then(|| planned.paths[0].clone())
    });
    let item = sink.file(&sparse.expect("the sample has a sparse file").to_string());
    let data = &item.streams[0];
    let ranges = data.ranges.clone().unwrap();
    assert!(data.sparse && ranges.iter().map(|range| range.len).sum::<u64>() < data.size / 2);
    assert_eq!(data.content.as_ref().unwrap().size, ranges.iter().map(|range| range.len).sum::<u64>());
}

#[test]
fn every_file_of_the_profile_is_taken_or_left_out_by_a_rule() {
    let Some(opened) = open_sample() else { return };
    let (plan, _, _) = opened.take(&[]);
    let profile = opened.anna().folder.clone().unwrap();
    let mut missing = Vec::new();
    let mut folders = vec![opened.index.find(&profile).unwrap()];
    while let Some(folder) = folders.pop() {
        for entry in opened.index.children(folder) {
            if entry.is_directory {
                folders.push(entry.record.number);
                continue;
            }
            let path = opened.index.path(folder).unwrap().join(&entry.name);
            let taken = plan.files.iter().any(|file| file.paths.contains(&path));
            let left_out = plan.left_out.iter().filter(|left_out| path.starts_with(&left_out.path)).count();
            if usize::from(taken) + left_out != 1 {
                missing.push(path);
            }
        }
    }
    assert!(missing.is_empty(), "in no account, or in two: {missing:?}");
    let caches: u64 = plan.left_out.iter().map(|left_out| left_out.files).sum();
    assert!(
        caches > 0 && plan.left_out.iter().all(|left_out| left_out.rule.is_some() || left_out.files == 0)
    );
}

#[test]
fn rules_choose_files_and_values_by_the_users_own_folders() {
    let Some(opened) = open_sample() else { return };
    let rules = r#"<?xml version="1.0"?>
<migration urlid="http://example.com/test">
  <component type="Documents" context="User">
    <displayName>Reports</displayName>
    <role role="Data"><rules>
      <include><objectSet>
        <pattern type="File">%CSIDL_PERSONAL%\* [*.txt]</pattern>
        <pattern type="Registry">HKCU\Control Panel\Desktop [Wallpaper]</pattern>
      </objectSet></include>
    </rules></role>
  </component>
</migration>"#;
    let (plan, sink, _) = opened.take(&[("reports.xml", rules)]);
    let documents = opened.anna().folder.clone().unwrap().join(&"Documents".into());
    assert!(!plan.files.is_empty());
    for file in &plan.files {
        let path = &file.paths[0];
        assert!(path.starts_with(&documents) && path.to_string().to_lowercase().ends_with(".txt"), "{path}");
        assert!(file.rule.as_ref().unwrap().contains("reports.xml:"), "{:?}", file.rule);
    }
    let items = sink.items.lock().unwrap();
    let keys: Vec<_> =
        items.iter().filter_map(|item| if let Item::Key(key) = item { Some(key) } else { None }).collect();
    assert_eq!(keys.len(), 1);
    assert!(keys[0].key.eq_ignore_case(&NtString::from(r"HKCU\Control Panel\Desktop")));
    let names: Vec<String> =
        keys[0].values.iter().map(|value| value.name.to_string().to_lowercase()).collect();
    assert_eq!(names, ["wallpaper"]);
}

#[test]
fn the_rules_of_the_destination_travel_and_made_up_objects_are_marked() {
    let Some(opened) = open_sample() else { return };
    let rules = r#"<?xml version="1.0"?>
<migration urlid="http://example.com/carried">
  <component type="Documents" context="User">
    <displayName>Carried</displayName>
    <role role="Data"><rules>
      <include filter='MigXmlHelper.IgnoreIrrelevantLinks()'><objectSet>
        <pattern type="File">%CSIDL_PERSONAL%\* [*]</pattern>
      </objectSet></include>
      <include filter='MigXmlHelper.NeverRestore()'><objectSet>
        <pattern type="Registry">HKCU\Control Panel\Desktop [Wallpaper]</pattern>
      </objectSet></include>
      <include><objectSet>
        <pattern type="Registry">HKCU\Software\Made up\* [*]</pattern>
      </objectSet></include>
      <merge script="MigXmlHelper.SourcePriority()"><objectSet>
        <pattern type="File">%CSIDL_PERSONAL%\* [*]</pattern>
      </objectSet></merge>
      <destinationCleanup><objectSet>
        <pattern type="File">%CSIDL_APPDATA%\Old ^[1^]\* [*]</pattern>
      </objectSet></destinationCleanup>
      <addObjects>
        <object><location type="Registry">HKCU\Software\Made up [Level]</location>
          <attributes>DWORD</attributes><bytes>0B000000</bytes></object>
        <object><location type="File">%CSIDL_PERSONAL%\made up [read me.txt]</location>
          <attributes>HIDDEN,READ-ONLY</attributes><bytes string="Yes">hello</bytes></object>
        <object><location type="Registry">HKCU\Software\Nobody takes this [x]</location>
          <attributes>STRING</attributes><bytes string="Yes">x</bytes></object>
      </addObjects>
      <externalProcess when="post-apply"><commandLine>%windir%\x.exe</commandLine></externalProcess>
    </rules></role>
  </component>
</migration>"#;
    let (_, sink, record) = opened.take(&[("carried.xml", rules)]);
    let items = sink.items.lock().unwrap();
    let carried: Vec<_> = items
        .iter()
        .filter_map(|item| if let Item::Rule(rule) = item { Some(rule.clone()) } else { None })
        .collect();
    assert!(matches!(items[0], Item::Rule(_)), "rules come first");
    let effects = rules::EffectRules::new(carried).unwrap();
    let documents = opened.anna().folder.clone().unwrap().join(&"Documents".into());
    let merge = effects.file('C', &documents.join(&"a.txt".into())).merge.unwrap();
    assert_eq!(merge.call.as_ref().unwrap().name, "SourcePriority");
    let cleanup = effects.cleanup_rules().next().unwrap();
    assert_eq!(cleanup.portable_pattern.as_deref(), Some(r"%CSIDL_APPDATA%\Old ^[1^]\* [*]"));
    let deferred =
        items.iter().find_map(|item| if let Item::Deferred(one) = item { Some(one) } else { None });
    assert_eq!(deferred.unwrap().what, r"%WINDIR%\x.exe");

    let made: Vec<&FileItem> = items
        .iter()
        .filter_map(|item| if let Item::File(file) = item { Some(file) } else { None })
        .filter(|file| file.added)
        .collect();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].path(), documents.join(&"made up".into()).join(&"read me.txt".into()));
    assert_eq!((made[0].attributes, made[0].size()), (0x3, 5));
    assert_eq!(made[0].streams[0].content.as_ref().unwrap().hash, Hash::of(b"hello"));
    let keys: Vec<_> =
        items.iter().filter_map(|item| if let Item::Key(key) = item { Some(key) } else { None }).collect();
    let made: Vec<_> = keys.iter().filter(|key| key.added).collect();
    assert_eq!(made.len(), 1);
    assert_eq!((made[0].values[0].data_type, made[0].values[0].data.0.as_slice()), (4, &[0x0B, 0, 0, 0][..]));
    let real: Vec<_> = keys.iter().filter(|key| !key.added).flat_map(|key| &key.values).collect();
    assert_eq!(real.len(), 1);
    assert_eq!(real[0].restore, Some(Restore::Never));
    let files = items.iter().filter_map(|item| if let Item::File(file) = item { Some(file) } else { None });
    let chosen = files.filter(|file| file.path().starts_with(&documents));
    assert!(
        chosen.clone().count() > 1
            && chosen.clone().all(|file| file.restore == Some(Restore::IfTargetExists))
    );
    let notes = record.notes();
    assert!(
        notes
            .iter()
            .any(|note| note.item.contains("Nobody takes") && note.reason.contains("no rule takes it"))
    );
}

#[test]
fn entries_of_ini_files_are_taken_one_by_one() {
    let Some(opened) = open_sample() else { return };
    let rules = r#"<?xml version="1.0"?>
<migration urlid="http://example.com/ini">
  <component type="Application" context="User">
    <displayName>Entries</displayName>
    <role role="Settings"><rules>
      <include><objectSet>
        <pattern type="Ini">%CSIDL_APPDATA%\Mozilla\Firefox\profiles.ini|Profile0[*]</pattern>
        <pattern type="Ini">%CSIDL_PERSONAL%\desktop.ini|.ShellClassInfo[*]</pattern>
        <pattern type="Ini">%CSIDL_APPDATA%\Nobody\absent.ini|A[*]</pattern>
        <pattern type="Ini">%CSIDL_PERSONAL%\Budget.xls|A[*]</pattern>
      </objectSet></include>
      <exclude><objectSet>
        <pattern type="Ini">%CSIDL_APPDATA%\Mozilla\Firefox\profiles.ini|Profile0[Path]</pattern>
      </objectSet></exclude>
      <include filter="MigXmlHelper.NeverRestore()"><objectSet>
        <pattern type="Ini">%CSIDL_APPDATA%\Mozilla\Firefox\profiles.ini|Profile0[IsRelative]</pattern>
      </objectSet></include>
    </rules></role>
  </component>
</migration>"#;
    let (_, sink, record) = opened.take(&[("ini.xml", rules)]);
    let items = sink.items.lock().unwrap();
    let taken: Vec<&IniItem> =
        items.iter().filter_map(|item| if let Item::Ini(ini) = item { Some(ini) } else { None }).collect();
    let [of_firefox, of_windows] = &*taken else { panic!("{taken:#?}") };
    let named = |ini: &IniItem, end: &str| ini.path.to_string().ends_with(end);
    assert!(named(of_firefox, r"\Mozilla\Firefox\profiles.ini") && !of_firefox.wide, "{of_firefox:?}");
    let entries = |ini: &IniItem| -> Vec<(String, String, Option<Restore>)> {
        let of = |entry: &IniEntry| (entry.name.to_string(), entry.value.to_string(), entry.restore);
        ini.entries.iter().map(of).collect()
    };
    let entry = |name: &str, value: &str, restore| (name.to_owned(), value.to_owned(), restore);
    let expected = [
        entry("Name", "default", None),
        entry("IsRelative", "1", Some(Restore::Never)),
        entry("Default", "1", None),
    ];
    assert_eq!(entries(of_firefox), expected, "in the order of the file, without what is excluded");
    assert!(named(of_windows, r"\Documents\desktop.ini") && of_windows.wide);
    assert!(entries(of_windows).iter().any(|(name, ..)| name == "LocalizedResourceName"));
    assert!(of_windows.entries.iter().all(|entry| entry.section == NtString::from(".ShellClassInfo")));
    assert_eq!(record.notes(), [], "a file that is absent, or has no such section, is nothing to tell");

    // One that is there and cannot be read is.
    let sheet = opened.anna().folder.clone().unwrap().join_path(&r"Documents\Budget.xls".into());
    let file = opened.ntfs.file(&opened.volume, opened.index.find(&sheet).unwrap()).unwrap();
    let offset = file.data().unwrap().first_lcn().unwrap().0 * opened.ntfs.cluster_size();
    opened.source.bad.lock().unwrap().push(offset..offset + 512);
    let (_, sink, record) = opened.take(&[("ini.xml", rules)]);
    let notes = record.notes();
    assert!(notes.iter().any(|note| note.item.ends_with("Budget.xls") && note.outcome == Outcome::Failed));
    assert_eq!(
        *sink.lost.lock().unwrap(),
        [(r"C:\Users\anna\Documents".to_owned(), "Budget.xls".to_owned(), 23)]
    );
}

#[test]
fn rules_filter_by_the_size_of_a_file() {
    let Some(opened) = open_sample() else { return };
    let rules = r#"<?xml version="1.0"?>
<migration urlid="http://example.com/large">
  <component type="Documents" context="User">
    <displayName>Large files</displayName>
    <role role="Data"><rules>
      <include filter='MigXmlHelper.FileProperties("fileSize","GTE","20000")'><objectSet>
        <pattern type="File">%USERPROFILE%\* [*]</pattern>
      </objectSet></include>
    </rules></role>
  </component>
</migration>"#;
    let (plan, _, _) = opened.take(&[("large.xml", rules)]);
    assert!(!plan.files.is_empty() && plan.files.iter().all(|file| file.size >= 20_000));
    let smaller = plan.left_out.iter().map(|left_out| left_out.files).sum::<u64>();
    assert!(smaller > 0, "smaller files are accounted for");
}

#[test]
fn caches_of_a_german_xp_stay_where_they_are() {
    let Some(opened) = open("winxp") else { return };
    let set = RuleSet::parse(&rules::builtin()).unwrap();
    let profiles: Vec<&Profile> =
        opened.installation.profiles.iter().filter(|one| one.folder.is_some()).collect();
    let mut left_out = 0;
    for profile in profiles {
        let rules = set.compile_one(&OldFacts::new(opened.old(), Some(profile)));
        let plan = gather::plan(&opened.old(), &rules, profile.folder.as_ref());
        for path in plan.files.iter().flat_map(|file| &file.paths) {
            let text = path.to_string();
            assert!(!text.contains(r"\Lokale Einstellungen\Temp\"), "{text}");
            assert!(!text.contains(r"\Temporary Internet Files\"), "{text}");
        }
        let named = |path: &WinPath| path.to_string().contains(r"\Lokale Einstellungen\Temp");
        left_out +=
            plan.left_out.iter().filter(|entry| named(&entry.path)).map(|entry| entry.files).sum::<u64>();
    }
    assert!(left_out > 0, "the volume has such files");
}
