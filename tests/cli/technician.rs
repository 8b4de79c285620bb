//! The technician's mode on a real terminal: keys are sent through tmux, and the screen is read as a person sees it.

use std::{
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use super::{COMPUTER, program, run, sample};

/// How long to wait for a screen before the test fails. Nothing waits as long when it works.
const PATIENCE: Duration = Duration::from_secs(120);

/// A terminal of 80 by 25, as WinPE's is, with the program in it.
struct Terminal<'a> {
    /// Its own tmux server, that of nobody else.
    socket: &'a Path,
}

impl<'a> Terminal<'a> {
    fn open(socket: &'a Path, folder: &Path) -> Self {
        let terminal = Self { socket };
        let command = format!("'{}' technician; echo \"exit code $?\"; exec sleep 1000", program());
        let folder = folder.to_str().unwrap();
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "25",
            "-c",
            folder,
            &command,
        ]);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(self.socket).args(words).output().unwrap();
        assert!(output.status.success(), "tmux {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types it as it is, and presses Enter.
    fn types(&self, text: &str) {
        self.keys(&["-l", text]);
        self.keys(&["Enter"]);
    }

    /// Waits until the screen has these words, wherever its lines break, and returns it.
    #[track_caller]
    fn shows(&self, words: &str) -> String {
        let began = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if screen.split_whitespace().collect::<Vec<_>>().join(" ").contains(words) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "no {words:?} on the screen:\n{screen}");
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(self.socket).arg("kill-server").output();
    }
}

/// Whether there is tmux here.
fn has_tmux() -> bool {
    let has = Command::new("tmux").arg("-V").output().is_ok();
    if !has {
        println!("skipped: no tmux");
    }
    has
}

#[test]
fn a_volume_is_extracted_verified_and_injected_by_keyboard_alone() {
    if !has_tmux() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("tmux");
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("winpe/templates/everything.xml");
    let password = folder.path().join("password.txt");
    fs_err::write(&password, " open sesame\n").unwrap();
    let terminal = Terminal::open(&socket, folder.path());
    terminal.shows("What is to be done?");
    terminal.keys(&["Enter"]);
    // However many disks this machine has, the last row is another.
    terminal.shows("Which disk holds the old Windows?");
    terminal.keys(&["PageDown", "Enter"]);
    terminal.shows("Which image file, disk or volume");
    terminal.types("nothing.img");
    terminal.shows("Check the spelling");
    terminal.keys(&["BSpace"; 11]);
    terminal.types(sample().to_str().unwrap());
    terminal.shows("Which Windows?");
    terminal.keys(&["Enter"]);
    terminal.shows("Which users?");
    terminal.keys(&["Enter"]);
    terminal.shows("In which folder is the datastore");
    terminal.types("store");
    terminal.shows("Is this right?");
    // A file that is no rule file is refused where it was named, a template is taken.
    terminal.keys(&["r"]);
    terminal.shows("Which template or rule file");
    terminal.types("none.xml");
    terminal.shows("Check the path that was typed.");
    terminal.keys(&["BSpace"; 8]);
    terminal.types(template.to_str().unwrap());
    let asked = terminal.shows("Is this right?");
    assert!(asked.contains("everything.xml"), "{asked}");
    terminal.keys(&["p"]);
    terminal.shows("Which password is the new datastore to have?");
    terminal.types(" open sesame");
    terminal.shows("The same password again:");
    terminal.types(" open sesame");
    let hidden = terminal.shows("(new, with a password)");
    assert!(!hidden.contains("sesame"), "{hidden}");
    terminal.keys(&["d"]);
    terminal.shows("the plan is shown, and nothing is written");
    terminal.keys(&["Enter"]);
    terminal.shows("[Close]");
    assert!(!folder.path().join("store").exists());
    terminal.keys(&["Enter"]);
    let asked = terminal.shows("Is this right?");
    assert!(
        !asked.contains("Dry run") && asked.contains(COMPUTER) && asked.contains("--all-users"),
        "{asked}"
    );
    terminal.keys(&["Enter"]);
    let done = terminal.shows("[Close]");
    assert!(done.contains("100 %") && done.contains("taken into store"), "{done}");
    let listed =
        run!("list", "--datastore", folder.path().join("store"), "--password-file", password).ends(0);
    assert!(listed.text().contains(COMPUTER), "{}", listed.text());

    terminal.keys(&["Enter"]);
    terminal.shows("What is to be done?");
    terminal.keys(&["Down", "Down", "Enter"]);
    terminal.types("store");
    terminal.shows("What is its password?");
    terminal.types("open sesame");
    terminal.shows("Type it again, and mind its case");
    terminal.keys(&["BSpace"; 11]);
    terminal.types(" open sesame");
    terminal.shows("coldstate verify --datastore store");
    terminal.keys(&["Enter"]);
    terminal.shows("as it was written");

    terminal.keys(&["Enter"]);
    terminal.shows("What is to be done?");
    terminal.keys(&["Down", "Enter"]);
    terminal.types("store");
    terminal.shows("What is its password?");
    terminal.types(" open sesame");
    terminal.shows("Which computer's users?");
    terminal.keys(&["Enter"]);
    terminal.shows("Which users?");
    terminal.keys(&["Enter"]);
    terminal.shows("root of the new Windows' volume?");
    fs_err::create_dir(folder.path().join("new")).unwrap();
    terminal.types("new");
    terminal.shows("Is this right?");
    terminal.keys(&["m"]);
    terminal.shows("Who becomes another user?");
    terminal.types("anna=bob");
    terminal.shows("--map-user anna=bob");
    terminal.keys(&["Enter"]);
    // What an error would have had typed is a key here, and all that was chosen is still there.
    terminal.shows("take back what was chosen with M and A");
    terminal.keys(&["Enter"]);
    terminal.shows("Is this right?");
    terminal.keys(&["m"]);
    terminal.shows("Who becomes another user?");
    terminal.keys(&["BSpace"; 8]);
    terminal.keys(&["Enter"]);
    terminal.shows("as they were");
    terminal.keys(&["f"]);
    terminal.shows("that of the new Windows stays");
    terminal.keys(&["Enter"]);
    terminal.shows("written to new");
    assert!(folder.path().join("new/Users").is_dir());

    // The log is read, then the program left with the exit code of the last run.
    terminal.keys(&["Tab", "Enter"]);
    let log = terminal.shows("Close [Status]");
    assert!(log.contains("to take it back") && !log.contains("Steps"), "{log}");
    terminal.keys(&["Escape"]);
    terminal.shows("What is to be done?");
    terminal.keys(&["Escape"]);
    terminal.shows("exit code 3");
}

#[test]
fn without_a_terminal_it_says_so() {
    let ran = run!("technician").ends(11);
    assert!(ran.stderr.contains("needs a terminal"), "{}", ran.told());
}
