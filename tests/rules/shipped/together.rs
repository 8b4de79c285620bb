//! MigApp, MigUser and MigDocs together over the made volumes: who takes the files, and how many of each.

use super::*;

/// What one user of one volume gets by MigApp, MigUser and MigDocs together, as people run them.
struct Together {
    kind: &'static str,
    user: &'static str,
    /// Components of MigUser and MigDocs that are found for the user, and for the machine.
    detected: &'static [&'static str],
    of_the_machine: &'static [&'static str],
    /// Files the user's rules take, and files only the machine's do.
    users: &'static [&'static str],
    machines: &'static [&'static str],
    /// Files of the volume that neither takes, with the reason.
    nobodys: &'static [(&'static str, &'static str)],
}

impl Together {
    fn holds(&self) {
        use coldstate::rules::Facts as _;
        let Some(old) = Old::open(self.kind) else { return };
        let (Some(all), Some(app)) = (rule_set(&[SHIPPED, MIG_USER, MIG_DOCS]), rule_set(&[SHIPPED])) else {
            return;
        };
        let (user, machine) = (old.taken(&all, Some(self.user)), old.taken(&all, None));
        let alone = old.taken(&app, Some(self.user));
        let beyond = |taken: &Taken, app: &Taken| -> Vec<String> {
            let found = taken.detected().into_iter().filter(|name| !app.detected().contains(name));
            found.map(str::to_owned).collect()
        };
        assert_eq!(beyond(&user, &alone), self.detected);
        assert_eq!(beyond(&machine, &old.taken(&app, None)), self.of_the_machine);
        // Components decide each for itself: more rules without an unconditional exclude take nothing away.
        assert!(alone.files.is_subset(&user.files) && alone.values == user.values);

        let facts = OldFacts::new(old.windows(), Some(old.profile(self.user)));
        for path in self.users {
            assert!(user.files.contains(*path), "{path} is not taken of {}", self.user);
        }
        for path in self.machines {
            assert!(machine.files.contains(*path), "{path} is not taken of the machine");
            assert!(!user.files.contains(*path), "{path} is nobody's own");
        }
        for (path, why) in self.nobodys {
            assert!(facts.exists(path), "{path} is not on the volume");
            assert!(
                !user.files.contains(*path) && !machine.files.contains(*path),
                "{path} is taken, but {why}"
            );
        }
    }
}

#[test]
fn all_three_on_windows_xp() {
    Together {
        kind: "winxp",
        user: "Käthe Müller",
        // There is no Quick Launch folder.
        detected: &[
            "My Video",
            "My Music",
            "Desktop",
            "Start Menu",
            "My Documents",
            "My Pictures",
            "Favorites",
            "MigDocUser",
        ],
        // All Users has no pictures, music, videos or favorites.
        of_the_machine: &[
            "Shared Desktop",
            "Shared Start Menu",
            "Shared Documents",
            "User Data",
            "MigDocSystem",
        ],
        users: &[
            r"C:\Documents and Settings\Käthe Müller\Eigene Dateien\2005\Report 000.txt",
            r"C:\Documents and Settings\Käthe Müller\Eigene Dateien\Outlook Files\archive.pst",
            // My Documents leaves pictures out, My Pictures takes them.
            r"C:\Documents and Settings\Käthe Müller\Eigene Dateien\Eigene Bilder\holiday.jpg",
            r"C:\Documents and Settings\Käthe Müller\Desktop\Notes.txt",
            r"C:\Documents and Settings\Käthe Müller\Favoriten\Links\Wiki.url",
        ],
        machines: &[
            r"C:\Documents and Settings\All Users\Dokumente\Vorlage.doc",
            r"C:\Documents and Settings\All Users\Desktop\Intranet.url",
            r"C:\Data\Project Alpha\plan.txt",
            r"C:\Mail\unbenutzt.pst",
        ],
        nobodys: &[
            (r"C:\WINDOWS\explorer.exe", "it is Windows"),
            (r"C:\WINDOWS\win.ini", "it is Windows"),
            (r"C:\Programme\WinZip\WINZIP32.EXE", "it is a program"),
            (
                r"C:\Documents and Settings\Käthe Müller\Anwendungsdaten\Notepad++\config.xml",
                "no component knows Notepad++, and no document is below AppData",
            ),
            (
                r"C:\Documents and Settings\Käthe Müller\Lokale Einstellungen\Temp\~DF0000.tmp",
                "it is temporary",
            ),
        ],
    }
    .holds();
}

#[test]
fn all_three_on_windows_7() {
    const HERE: &[&str] =
        &["Shared Desktop", "Shared Start Menu", "Shared Documents", "User Data", "MigDocSystem"];
    Together {
        kind: "win7",
        user: "anna",
        detected: &[
            "My Video",
            "My Music",
            "Desktop",
            "Start Menu",
            "My Documents",
            "My Pictures",
            "Favorites",
            "MigDocUser",
        ],
        of_the_machine: HERE,
        users: &[
            r"C:\Users\anna\Documents\2005\Report 000.txt",
            r"C:\Users\anna\Pictures\holiday.jpg",
            r"C:\Users\anna\Desktop\Notes.txt",
            r"C:\Users\anna\Favorites\Links\Wiki.url",
        ],
        machines: &[
            r"C:\Users\Public\Documents\Price list 2021.txt",
            r"C:\Data\Project Alpha\plan.txt",
            r"C:\Data\Mail\unused.pst",
            r"C:\ProgramData\Microsoft\Windows\Start Menu\Programs\Notepad++.lnk",
        ],
        nobodys: &[
            (r"C:\Windows\explorer.exe", "it is Windows"),
            (r"C:\Program Files (x86)\iTunes\iTunes.exe", "it is a program"),
            (r"C:\Users\anna\AppData\Roaming\Notepad++\config.xml", "no component knows Notepad++"),
            (r"C:\Users\anna\AppData\Local\Temp\~DF0000.tmp", "it is temporary"),
        ],
    }
    .holds();
    // His documents are on a server: not there to be found, nor to be taken from this volume.
    Together {
        kind: "win7",
        user: "jsmith",
        detected: &[
            "My Video",
            "My Music",
            "Desktop",
            "Start Menu",
            "My Pictures",
            "Favorites",
            "MigDocUser",
        ],
        of_the_machine: HERE,
        users: &[r"C:\Users\jsmith\Desktop\Notes.txt", r"C:\Users\jsmith\Pictures\garden.jpg"],
        machines: &[],
        nobodys: &[(r"C:\Users\jsmith\AppData\Roaming\Notepad++\config.xml", "no component knows Notepad++")],
    }
    .holds();
}

#[test]
fn all_three_on_windows_10() {
    const FOUND: &[&str] = &[
        "My Video",
        "My Music",
        "Desktop",
        "Start Menu",
        "My Documents",
        "My Pictures",
        "Favorites",
        "Quick Launch",
        "MigDocUser",
    ];
    const HERE: &[&str] =
        &["Shared Desktop", "Shared Start Menu", "Shared Documents", "User Data", "MigDocSystem"];
    Together {
        kind: "win10",
        user: "anna",
        detected: FOUND,
        of_the_machine: HERE,
        users: &[
            r"C:\Users\anna\Documents\Keys\Contoso.kdbx",
            r"C:\Users\anna\Documents\OneNote Notebooks\Work\Meetings.one",
            r"C:\Users\anna\Pictures\holiday.jpg",
            r"C:\Users\anna\AppData\Roaming\Microsoft\Internet Explorer\Quick Launch\User Pinned\TaskBar\Outlook.lnk",
        ],
        machines: &[r"C:\Users\Public\Documents\Price list 2021.txt", r"C:\Data\Project Alpha\plan.txt"],
        nobodys: &[
            (r"C:\Windows\System32\Tasks\Contoso\Backup", "it is Windows"),
            (r"C:\Program Files\VideoLAN\VLC\vlc.exe", "it is a program"),
            (r"C:\Users\anna\AppData\Roaming\Code\User\settings.json", "no component knows VS Code"),
            (r"C:\Users\anna\AppData\Local\Microsoft\Edge\User Data\Default\Bookmarks", "no component knows Edge"),
        ],
    }
    .holds();
    Together {
        kind: "win10",
        user: "MariaGarcía",
        detected: FOUND,
        of_the_machine: HERE,
        users: &[
            r"C:\Users\MariaGarcía\OneDrive - Contoso\Documents\Keys\Contoso.kdbx",
            r"C:\Users\MariaGarcía\OneDrive - Contoso\Desktop\Notes.txt",
            r"C:\Users\MariaGarcía\OneDrive - Contoso\Pictures\holiday.jpg",
        ],
        machines: &[],
        nobodys: &[(r"C:\Users\MariaGarcía\AppData\Roaming\vlc\vlcrc", "no component knows VLC")],
    }
    .holds();
}
