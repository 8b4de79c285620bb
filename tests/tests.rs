//! The one integration test binary; each module says what it shows.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test that is skipped says so")]

/// The import rules of `src/README.md` hold.
mod architecture;
/// Everything of a file is taken, and what is not is accounted for.
mod gather;
/// Hives read as others read them, survive edits, and replay their logs as Windows does.
mod hive;
/// Personalities come back whole in a folder and on a volume, and nothing is written outside.
mod inject;
/// Users come into a running Windows, and what waits for a first start is done once.
#[cfg(target_os = "linux")]
mod live;
/// What the tests call is what `tests/run` installs.
#[cfg(target_os = "linux")]
mod machine;
/// The commands of README.md and of the guide work, and the pages beside the code name what is there.
mod readme;
/// Old volumes extracted and injected by the real program, and compared as ntfs-3g reads them.
mod roundtrip;
/// Rule files: what they mean, what is wrong with them, and that the real ones are read.
mod rules;
/// Users of an old Windows become users of a new one, with profiles made for them.
#[cfg(target_os = "linux")]
mod settle;
/// The datastore keeps what it is given, whatever happens to it.
mod store;
/// Made volumes, for the other modules.
mod support;
/// The installations, users, folders and variables of made volumes.
mod windows;
/// What goes into a boot image and a task sequence.
#[cfg(target_os = "linux")]
mod winpe;

/// The command line as an administrator and a script meet it.
#[cfg(target_os = "linux")]
mod cli;
/// NTFS volumes read as ntfs-3g reads them.
#[cfg(target_os = "linux")]
mod ntfs;
