use std::{io::Read as _, os::unix::fs::FileExt as _, path::Path, process::Command};

use coldstate::ntfs::{StreamKind, StreamReader, lzx, xpress_huffman};

use super::{Mount, can_mount, corpus, noise, open};

/// Reads the `[]byte("…")` of a line of Go source, in which only `\xNN` is escaped.
fn go_bytes(line: &str) -> Vec<Vec<u8>> {
    let literal = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = match (first, tail) {
                (b'\\', [b'x', high, low, tail @ ..]) => {
                    let digits = [*high, *low];
                    bytes.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
                    tail
                }
                _ => {
                    bytes.push(*first);
                    tail
                }
            };
        }
        bytes
    };
    line.split("[]byte(\"").skip(1).map(|part| literal(part.split("\")").next().unwrap())).collect()
}

#[test]
fn xpress_huffman_written_elsewhere_is_decoded() {
    let Some(path) = corpus("go-ntfs/huffman_vectors.txt") else { return };
    let text = fs_err::read_to_string(path).unwrap();
    let vectors: Vec<_> = text.lines().filter(|line| line.contains("[]byte")).map(go_bytes).collect();
    assert_eq!(vectors.len(), 7);
    // The first one has the length of its last reference a word before where [MS-XCA] 2.1.4.3, wimlib and the other
    // vectors put it.
    for vector in &vectors[1..] {
        let [stored, expected] = &vector[..] else { panic!("{vector:x?}") };
        let mut out = vec![0; expected.len()];
        xpress_huffman::decode(stored, &mut out).unwrap();
        assert!(out == *expected);
        // Half of it is not enough, and is no reason to panic.
        let _ = xpress_huffman::decode(&stored[..stored.len() / 2], &mut out);
    }
}

/// A volume with files compressed as CompactOS does: (name, `WofCompressedData`, size, algorithm).
fn wof_volume(dir: &Path, files: &[(String, Vec<u8>, u64, u32)]) -> std::path::PathBuf {
    let image = dir.join("volume.img");
    fs_err::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    assert!(Command::new("mkntfs").args(["-q", "-F", "-Q"]).arg(&image).status().unwrap().success());
    let mount = Mount::new(&image, &dir.join("rw"), "streams_interface=windows");
    for (name, stored, size, algorithm) in files {
        let path = mount.0.join(name);
        fs_err::File::create(&path).unwrap().set_len(*size).unwrap();
        let stream = mount.0.join(format!("{name}:WofCompressedData"));
        fs_err::File::create(stream).unwrap().file().write_all_at(stored, 0).unwrap();
        let mut point = 0x8000_0017_u32.to_le_bytes().to_vec();
        for field in [16, 1, 2, 1, *algorithm] {
            point.extend(field.to_le_bytes());
        }
        xattr::set(&path, "system.ntfs_reparse_data", &point).unwrap();
    }
    drop(mount);
    image
}

/// Contents that are hard in different ways; the program itself has calls that LZX translates.
fn contents() -> Vec<(&'static str, Vec<u8>)> {
    let text =
        "All work and no play makes Jack a dull boy, and the \u{fc}ber-long file longer. ".repeat(3000);
    let program = fs_err::read(std::env::current_exe().unwrap()).unwrap();
    let program = program[program.len() / 4..][..700_001].to_vec();
    let noise = noise(9, 100_000);
    vec![
        ("text", text.clone().into_bytes()),
        ("one chunk", text.as_bytes()[..32 << 10].to_vec()),
        ("short", text.as_bytes()[..3000].to_vec()),
        ("zeros", vec![0; 200_000]),
        (
            "mixed",
            [&text.as_bytes()[..50_000], &noise, &[0; 70_000], &program[..90_000], &noise[..5]].concat(),
        ),
        ("program", program),
    ]
}

/// Stored forms of the contents as wimlib makes them: a WIM holds them as `WofCompressedData` does.
fn wimlib(dir: &Path, name: &str, content: &[u8], compress: &str, chunk: &str) -> Option<Vec<u8>> {
    let folder = dir.join("capture");
    let _ = fs_err::remove_dir_all(&folder);
    fs_err::create_dir(&folder).unwrap();
    fs_err::write(folder.join("file"), content).unwrap();
    let wim = dir.join("capture.wim");
    let run = |arguments: &[&str]| Command::new("wimlib-imagex").args(arguments).output();
    let (folder, wim_name) = (folder.to_str().unwrap(), wim.to_str().unwrap());
    let compress = format!("--compress={compress}");
    let chunk = format!("--chunk-size={chunk}");
    let _ = fs_err::remove_file(&wim);
    let captured = run(&["capture", folder, wim_name, "--no-acls", &compress, &chunk]).ok()?;
    assert!(captured.status.success(), "{name}: {captured:?}");
    let blobs = String::from_utf8(run(&["info", wim_name, "--blobs"]).unwrap().stdout).unwrap();
    let blob = blobs.split("\n\n").find(|blob| blob.contains("Hash") && !blob.contains("METADATA")).unwrap();
    assert!(blob.contains("RESHDR_FLAG_COMPRESSED"), "{blob}");
    let number = |field: &str| -> usize {
        let line = blob.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().rev().nth(1).unwrap().parse().unwrap()
    };
    let (at, len) = (number("Offset"), number("Compressed size"));
    Some(fs_err::read(&wim).unwrap()[at..at + len].to_vec())
}

#[test]
fn files_compressed_by_compact_os_are_read() {
    if !can_mount() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    let mut expected = Vec::new();
    for (algorithm, compress, chunk) in
        [(0, "XPRESS", "4K"), (1, "LZX", "32K"), (2, "XPRESS", "8K"), (3, "XPRESS", "16K")]
    {
        for (name, content) in contents() {
            let name = format!("{name} {compress} {chunk}");
            let Some(stored) = wimlib(dir.path(), &name, &content, compress, chunk) else {
                eprintln!("skipped: wimlib-imagex is needed");
                return;
            };
            files.push((name.clone(), stored, content.len() as u64, algorithm));
            expected.push((name, content));
        }
    }
    let image = wof_volume(dir.path(), &files);
    let (volume, ntfs, index) = open(&image);
    for (name, content) in expected {
        let record = index.find(&name.as_str().into()).unwrap();
        let file = ntfs.file(&volume, record).unwrap();
        assert!(file.problems.is_empty() && file.reparse_point.is_none(), "{name}: {:?}", file.problems);
        assert_eq!(file.streams.len(), 1, "{name}");
        let data = file.data().unwrap();
        assert_eq!((data.kind, data.size), (StreamKind::Wof, content.len() as u64), "{name}");
        let mut read = Vec::new();
        StreamReader::new(&volume, &ntfs, data).read_to_end(&mut read).unwrap();
        assert!(read == content, "{name}");
        // Reads that begin and end inside of chunks.
        for (at, len) in [(1, 2), (4095, 2), (4000, 9000), (40_000, 70_000), (content.len() - 1, 1)] {
            if at + len <= content.len() {
                let mut part = vec![0; len];
                ntfs.read_stream(&volume, data, at as u64, &mut part).unwrap();
                assert!(part == content[at..at + len], "{name} from {at}");
            }
        }
    }
}

#[test]
fn wof_streams_written_by_windows_are_decoded() {
    for (name, size, chunk) in
        [("4k", 24408, 4096), ("8k", 32832, 8192), ("16k", 17004, 16384), ("lzx", 32544, 32768)]
    {
        let Some(packed) = corpus(&format!("wof/wof_test{name}.WofCompressedData.gz")) else { return };
        let stored = Command::new("gzip").arg("-dc").arg(packed).output().unwrap().stdout;
        let count = usize::div_ceil(size, chunk);
        let table = 4 * (count - 1);
        let entry =
            |index: usize| u32::from_le_bytes(stored[index * 4..index * 4 + 4].try_into().unwrap()) as usize;
        let mut plain = vec![0xEE; size];
        for (number, out) in plain.chunks_mut(chunk).enumerate() {
            let start = table + if number == 0 { 0 } else { entry(number - 1) };
            let end = if number + 1 == count { stored.len() } else { table + entry(number) };
            let chunk = &stored[start..end];
            if chunk.len() == out.len() {
                out.copy_from_slice(chunk);
            } else if name == "lzx" {
                lzx::decode(chunk, out).unwrap();
            } else {
                xpress_huffman::decode(chunk, out).unwrap();
            }
        }
        assert!(plain == b"KUSJESVANSRT".repeat(size / 12), "{name}");
    }
}
