//! What an undo of `inject --live` leaves of a profile that Windows made for it, once somebody worked there.

use super::*;

#[test]
fn what_a_user_wrote_after_the_inject_survives_its_undo() {
    let pc = Pc::running();
    let registry = pc.registry();
    let wished = Wishes { create: creating(true, "x").create, ..wishes(&[], &["CONTOSO=FABRIKAM"]) };
    pc.inject(1, &[machine(), anna(), jsmith()], wished);
    let home = pc.root().join("Users/anna");
    fs_err::write(home.join("Documents/later.txt"), "mine").unwrap();
    pc.work_later("Users/anna/NTUSER.DAT.LOG1", "what Windows wrote to the hive");

    let notes = pc.undo_partly(1);
    let told =
        |expected: &str| assert!(notes.iter().any(|note| note.contains(expected)), "{expected}: {notes:#?}");
    // Of one user everything stays that belongs together; what the inject made alone goes.
    assert_eq!(fs_err::read(home.join("Documents/later.txt")).unwrap(), b"mine");
    assert!(!home.join("Documents/letter.txt").exists());
    let hive = user_hive(&pc, "anna");
    assert!(
        hive.key(r"Control Panel\Desktop").unwrap().text("Wallpaper").unwrap().to_string().ends_with("a.jpg")
    );
    assert!(pc.windows.find("anna").is_some());
    assert_eq!(pc.windows.members("Projekt"), [format!("{MACHINE}-1002")]);
    told(r"\Users\anna\Documents: something that the inject did not make is in it, so it stays");
    told(
        r"\Users\anna\NTUSER.DAT: it was written after the inject, and stays; what was there before is \coldstate-set-aside-",
    );
    told(r"came or changed after the inject, so it stays; remove it by hand");
    told("the account anna: it stays, because the profile of that user does");
    // The other user never worked there.
    assert!(!pc.root().join("Users/jsmith").exists());
    let [software, _] = pc.registry();
    let differs: Vec<_> = software.iter().filter(|line| !registry[0].contains(line)).collect();
    assert!(differs.iter().all(|line| line.contains(&format!("{MACHINE}-1002"))), "{differs:?}");
    // Once more: what stayed is told, and nothing is done.
    let notes = pc.undo_partly(1);
    assert!(notes.len() == 1 && notes[0].contains("it was undone before; "), "{notes:?}");
    assert!(home.join("Documents/later.txt").exists());
}

#[test]
fn a_profile_that_was_used_since_is_not_removed() {
    type Work<'a> = &'a dyn Fn(&Pc);
    let used: [(&str, Work<'_>); 3] = [
        ("logged on", &|pc| {
            pc.windows.state().logged_on.insert(MACHINE.parse::<Sid>().unwrap().with_rid(1002));
        }),
        (r"\Users\anna\Documents\letter.txt: it was written after the inject, and stays", &|pc| {
            pc.work_later("Users/anna/Documents/letter.txt", "Dear Maria, dear Eve");
        }),
        ("NTUSER.DAT came or changed", &|pc| pc.work_later("Users/anna/NTUSER.DAT", "settings")),
    ];
    for (expected, work) in used {
        let pc = Pc::running();
        pc.inject(1, &[anna()], creating(true, "x"));
        work(&pc);
        let notes = pc.undo_partly(1);
        assert!(notes.iter().any(|note| note.contains(expected)), "{expected}: {notes:#?}");
        assert!(pc.root().join("Users/anna/NTUSER.DAT").exists(), "{expected}");
        assert!(pc.windows.find("anna").is_some(), "{expected}");
    }
    // A journal of before, which does not say what was in the new profile.
    let pc = Pc::running();
    pc.inject(1, &[anna()], creating(true, "x"));
    let journal = fs_err::read_to_string(pc.journal(1)).unwrap();
    let (head, rest) = journal.split_once(r#","holds":["#).unwrap();
    let (_, rest) = rest.split_once(']').unwrap();
    fs_err::write(pc.journal(1), format!("{head}{rest}")).unwrap();
    let notes = pc.undo_partly(1);
    assert!(notes.iter().any(|note| note.contains("nobody knows what was in it")), "{notes:#?}");
    assert!(pc.root().join("Users/anna").exists());
}

#[test]
fn settings_of_the_machine_that_were_changed_since_stay() {
    let pc = Pc::running();
    let before = pc.registry();
    pc.inject(1, &[machine()], wishes(&[], &[]));
    {
        let mut state = pc.windows.state();
        let text = |text: &str| NtString::from(&*format!("{text}\0")).to_utf16le();
        let zone = state.system.key(r"ControlSet001\Control\TimeZoneInformation").unwrap().id();
        state.system.set_value(zone, "TimeZoneKeyName", ValueType::Sz, &text("Tokyo Standard Time")).unwrap();
        let key = state.software.key(r"Contoso\Deep").unwrap().id();
        state.software.set_value(key, "Later", ValueType::Sz, &text("x")).unwrap();
    }
    let notes = pc.undo_partly(1);
    assert_eq!(
        notes,
        [
            r"HKLM\SOFTWARE\Contoso\Deep: something that the inject did not make is in it, so it stays",
            "HKLM\\SYSTEM\\CurrentControlSet\\Control\\TimeZoneInformation: its value \"TimeZoneKeyName\" was changed \
             after the inject, and stays",
        ]
    );
    let state = pc.windows.state();
    let zone = state.system.key(r"ControlSet001\Control\TimeZoneInformation").unwrap();
    assert_eq!(zone.text("TimeZoneKeyName").unwrap().to_string(), "Tokyo Standard Time");
    let key = state.software.key(r"Contoso\Deep").unwrap();
    assert!(key.value("Later").is_some() && key.value("Server").is_none(), "of the key only what came later");
    assert_ne!([&state.software, &state.system].map(shown), before);
}
