#!/usr/bin/env python3
"""Makes the zip that is unpacked into a package share: both exes under all their names, templates, scripts, sequences,
guide, licences, source, checksums.

    winpe/package.py ZIP X64.exe X86.exe LICENCES EPOCH

`winpe/build --zip` calls it. LICENCES is a folder of texts that winpe/licences.py made. Same input, same bytes: names are
sorted, times are EPOCH (that of the commit), nothing of this machine enters. The exe goes in under each name because it
looks at its own file name to know whose command line it takes; a share has no links that every Windows follows.
"""

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

WINPE = Path(__file__).resolve().parent
ROOT = WINPE.parent
FACES = ("coldstate", "se", "scanstate", "loadstate", "usmtutils")
# What of winpe/ is for the share; the rest makes it.
SHIPPED = ("README.md", "build-bootimage*", "templates/*.xml", "scripts/*", "sequences/*", "sequences/*/*", "pictures/*.png")
# Programs of Windows want CRLF; git keeps LF, as everything here is written with it.
CRLF = (".cmd", ".md", ".vbs", ".ps1", ".sms", ".txt", ".xml")


def version():
    for line in (ROOT / "Cargo.toml").read_text().splitlines():
        if line.startswith("version = "):
            return line.split('"')[1]
    sys.exit("winpe/package.py: Cargo.toml has no version.")


def for_windows(path):
    content = path.read_bytes()
    if path.suffix in CRLF:
        content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return content


def source(name, epoch):
    """The files under version control, as they are here: what the exes were built from."""
    command = ["git", "ls-files", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        sys.exit("winpe/package.py: the package has the source in it, which git lists: run this in a checkout.")
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for path in sorted(listed.decode().rstrip("\0").split("\0")):
            file = ROOT / path
            if not file.is_file():
                continue
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size, member.mtime = file.stat().st_size, epoch
            member.mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
            with file.open("rb") as content:
                tar.addfile(member, content)
    return packed.getvalue()


def contents(x64, x86, licences, epoch):
    name = f"coldstate-{version()}"
    files = {f"{arch}/{face}.exe": exe for arch, exe in (("x64", x64), ("x86", x86)) for face in FACES}
    # \\server\share\se.exe, as the integration guide of Migrate7 has it. Boot images of today are 64-bit.
    files["se.exe"] = x64
    for pattern in SHIPPED:
        for path in WINPE.glob(pattern):
            if path.is_file():
                files[path.relative_to(WINPE).as_posix()] = for_windows(path)
    for path in licences.iterdir():
        files[f"licences/{path.name}"] = path.read_bytes()
    # Here the guide is the first thing to read, and the project's own page lies beside it.
    files["README.md"] = files["README.md"].replace(b"(../README.md)", b"(ABOUT.md)")
    files["ABOUT.md"] = for_windows(ROOT / "README.md")
    files["licences/GPL-3.0.txt"] = for_windows(WINPE / "licences/GPL-3.0.txt")
    files["licences/SOURCE.txt"] = for_windows(WINPE / "licences/SOURCE.txt")
    files[f"source/{name}.tar.gz"] = source(name, epoch)
    sums = "".join(f"{hashlib.sha256(content).hexdigest()} *{path}\n" for path, content in sorted(files.items()))
    files["SHA256SUMS"] = sums.encode()
    return files


def main(archive, x64, x86, licences, epoch):
    exes = (Path(exe).read_bytes() for exe in (x64, x86))
    epoch = int(epoch) // 2 * 2  # a zip knows only even seconds
    moment = max(time.gmtime(epoch)[:6], (1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path, content in sorted(contents(*exes, Path(licences), epoch).items()):
            member = zipfile.ZipInfo(path, moment)
            mode = 0o755 if content.startswith(b"#!") else 0o644
            member.compress_type, member.create_system, member.external_attr = zipfile.ZIP_DEFLATED, 3, mode << 16
            packed.writestr(member, content)


if __name__ == "__main__":
    main(*sys.argv[1:])
