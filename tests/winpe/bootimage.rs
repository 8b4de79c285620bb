//! `winpe/build-bootimage` on a boot image that the test makes: the few files of one that matter here.

use std::{path::Path, process::Command};

use super::{have, winpe};

const SYSTEM32: &str = "Windows/System32";

/// The header of a program, of which wimlib wants to know the processor: it takes the image's architecture from kernel32.dll.
fn program(machine: u16) -> Vec<u8> {
    let mut bytes = vec![0; 0x400];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3C] = 0x80;
    bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
    bytes[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
    bytes
}

/// Makes `boot.wim` in the scratch folder, of a Windows PE for this processor.
fn boot_wim(scratch: &Path, machine: u16, more: &[(&str, &str)]) {
    let tree = scratch.join("tree");
    fs_err::create_dir_all(tree.join(SYSTEM32)).unwrap();
    fs_err::write(tree.join(SYSTEM32).join("kernel32.dll"), program(machine)).unwrap();
    fs_err::write(tree.join(SYSTEM32).join("startnet.cmd"), "wpeinit\r\nours\r\n").unwrap();
    for (name, text) in more {
        fs_err::write(tree.join(SYSTEM32).join(name), text).unwrap();
    }
    run(Command::new("wimlib-imagex")
        .args(["capture", "--boot"])
        .arg(&tree)
        .arg(scratch.join("boot.wim"))
        .arg("Windows PE"));
    for (arch, content) in [("x64", "the 64-bit exe"), ("x86", "the 32-bit exe")] {
        fs_err::create_dir_all(scratch.join("exes").join(arch)).unwrap();
        fs_err::write(scratch.join("exes").join(arch).join("coldstate.exe"), content).unwrap();
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn build(scratch: &Path, from: &str, to: &str, options: &[&str]) -> Command {
    let mut command = Command::new(winpe().join("build-bootimage"));
    command
        .arg(scratch.join(from))
        .arg(scratch.join(to))
        .arg("--exes")
        .arg(scratch.join("exes"))
        .args(options);
    command
}

/// Unpacks an image, and returns where to.
fn unpacked(scratch: &Path, image: &str) -> std::path::PathBuf {
    let tree = scratch.join(image).with_extension("tree");
    run(Command::new("wimlib-imagex").arg("apply").arg(scratch.join(image)).arg("1").arg(&tree));
    tree
}

fn read(path: impl AsRef<Path>) -> String {
    fs_err::read_to_string(path.as_ref()).unwrap()
}

#[test]
fn a_boot_image_gets_the_tool_and_keeps_its_start() {
    if !have("wimlib-imagex") {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let scratch = scratch.path();
    boot_wim(scratch, 0x8664, &[]);
    let original = fs_err::read(scratch.join("boot.wim")).unwrap();
    let job = winpe().join("scripts/recover.cmd");
    run(&mut build(scratch, "boot.wim", "new.wim", &["--job", job.to_str().unwrap()]));
    assert_eq!(original, fs_err::read(scratch.join("boot.wim")).unwrap(), "the original was changed");

    let tree = unpacked(scratch, "new.wim");
    let system32 = tree.join(SYSTEM32);
    assert_eq!(read(system32.join("coldstate.exe")), "the 64-bit exe");
    assert_eq!(read(system32.join("startnet.before.cmd")), "wpeinit\r\nours\r\n");
    assert_eq!(
        read(system32.join("startnet.cmd")).replace("\r\n", "\n"),
        read(winpe().join("scripts/startnet.cmd"))
    );
    let placed = read(tree.join("coldstate/job.cmd"));
    assert_eq!(placed.replace("\r\n", "\n"), read(&job));
    assert_eq!(placed.matches('\n').count(), placed.matches("\r\n").count(), "cmd.exe wants CRLF");
    assert!(tree.join("coldstate/templates/everything.xml").is_file());
    assert_eq!(fs_err::read(system32.join("kernel32.dll")).unwrap(), program(0x8664));

    // On what it made itself it changes nothing; above all it does not take its own start for the image's.
    run(&mut build(scratch, "new.wim", "again.wim", &["--job", job.to_str().unwrap()]));
    let again = unpacked(scratch, "again.wim");
    run(Command::new("diff").arg("--recursive").arg(&tree).arg(&again));
}

#[test]
fn a_boot_image_for_a_shell_of_its_own_gets_only_the_tool() {
    if !have("wimlib-imagex") {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let scratch = scratch.path();
    boot_wim(scratch, 0x14C, &[("WINPESHL.INI", "[LaunchApp]\r\nAppPath=TsBootShell.exe\r\n")]);
    let said = run(&mut build(scratch, "boot.wim", "whole.wim", &[]));
    assert!(said.contains("winpeshl.ini"), "not said that its start is another: {said}");

    run(&mut build(scratch, "boot.wim", "tool.wim", &["--tool-only"]));
    let tree = unpacked(scratch, "tool.wim");
    assert_eq!(read(tree.join(SYSTEM32).join("coldstate.exe")), "the 32-bit exe");
    assert_eq!(read(tree.join(SYSTEM32).join("startnet.cmd")), "wpeinit\r\nours\r\n");
    assert!(!tree.join("coldstate/job.cmd").exists());
}

#[test]
fn a_boot_image_that_cannot_be_served_is_refused_and_nothing_is_left() {
    if !have("wimlib-imagex") {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let scratch = scratch.path();
    boot_wim(scratch, 0xAA64, &[]);
    fs_err::write(scratch.join("no.wim"), "not a WIM").unwrap();
    for (from, to, options, said) in [
        ("boot.wim", "new.wim", &[][..], "ARM64"),
        ("boot.wim", "boot.wim", &[], "the boot image itself"),
        ("none.wim", "new.wim", &[], "cannot be read"),
        ("no.wim", "new.wim", &[], "no Windows"),
        ("boot.wim", "new.wim", &["--index", "7"], "no Windows"),
        ("boot.wim", "new.wim", &["--job", "/nowhere/job.cmd"], "cannot be read"),
    ] {
        let output = build(scratch, from, to, options).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{from} {options:?}: {stderr}");
    }
    let left: Vec<_> = fs_err::read_dir(scratch).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}"); // tree, exes, boot.wim, no.wim
}
