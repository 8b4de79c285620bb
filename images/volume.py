"""Puts a tree of entries on a fresh NTFS volume: mkntfs makes it, ntfs-3g writes it, `settle` gives it its past.

Everything Windows keeps beside the bytes of a file goes through ntfs-3g's `system.ntfs_*` extended attributes. Two things
ntfs-3g cannot set are set on the unmounted image: the "changed" time of a record, and the volume serial number.
"""

import os
import random
import shutil
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

import nt
import settle

CLUSTER = 4096
ENVIRONMENT = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")  # mkntfs is in /usr/sbin


class Failed(Exception):
    """One sentence for the person who ran the maker."""


def need(*programs):
    """Says which packages to install when a program is missing."""
    packages = {"mkntfs": "ntfs-3g", "ntfs-3g": "ntfs-3g", "ntfsinfo": "ntfs-3g", "ntfscluster": "ntfs-3g", "zstd": "zstd"}
    for program in programs:
        if not shutil.which(program, path=ENVIRONMENT["PATH"]):
            raise Failed(f"{program} is missing: install the Debian package {packages[program]}.")


@dataclass
class Entry:
    """One file or folder to be. Times are (created, modified, accessed, changed) FILETIMEs."""

    path: str
    times: tuple
    security: bytes
    folder: bool = False
    data: object = b""  # bytes, or something with `chunks()` when it is large
    size: int = None  # a larger size than the data leaves a sparse tail
    pieces: list = None  # (offset, bytes) of a sparse file, instead of `data`
    attributes: int = 0
    short: str = None
    streams: dict = field(default_factory=dict)
    reparse: bytes = None
    link_to: str = None  # a second name of this earlier file
    scattered: bool = False  # in as many runs as can be had
    record: int = None

    @property
    def bytes_of(self):
        return os.fsencode(self.path) if self.path.isascii() else self.path.encode("utf-8", "surrogatepass")


class Tree:
    """The entries of one volume in the order they are made; folders come into being with what is put into them."""

    def __init__(self, owner, times):
        self.entries, self.by_path = [], {}
        self.add(Entry("", times, owner.top, folder=True, attributes=nt.HIDDEN | nt.SYSTEM))
        self.owners, self.times = {"": owner}, times

    def owned(self, path, owner):
        """Everything put under `path` from now on belongs to `owner`."""
        self.owners[path] = owner
        return self

    def owner(self, path):
        while path not in self.owners:
            path = path.rpartition("/")[0]
        return self.owners[path]

    def add(self, entry):
        if entry.path in self.by_path:
            raise ValueError(f"{entry.path} is made twice")
        self.by_path[entry.path] = entry
        self.entries.append(entry)
        return entry

    def folder(self, path, times=None, **more):
        if path in self.by_path:
            return self.by_path[path]
        parent = path.rpartition("/")[0]
        self.folder(parent)
        times = times or self.by_path[parent].times
        owner = self.owner(path)
        security = owner.top if path in self.owners else owner.folder
        if self.by_path[parent].attributes & nt.COMPRESSED:
            more["attributes"] = more.get("attributes", 0) | nt.COMPRESSED
        return self.add(Entry(path, times, security, folder=True, **more))

    def file(self, path, data=b"", times=None, **more):
        parent = self.folder(path.rpartition("/")[0])
        if parent.attributes & nt.COMPRESSED:
            more["attributes"] = more.get("attributes", nt.ARCHIVE) | nt.COMPRESSED
        more.setdefault("attributes", nt.ARCHIVE)
        return self.add(Entry(path, times or parent.times, self.owner(path).file, data=data, **more))

    def link(self, path, to):
        """A further hard link of the file made as `to`."""
        first = self.by_path[to]
        self.folder(path.rpartition("/")[0])
        return self.add(Entry(path, first.times, first.security, link_to=to))


class Mounted:
    """A volume mounted by ntfs-3g in the foreground, so that leaving waits until all of it is on disk."""

    OPTIONS = "no_detach,compression,streams_interface=windows,noatime,big_writes"

    def __init__(self, image, read_only=False):
        self.image, self.options = image, self.OPTIONS + (",ro" if read_only else "")

    def __enter__(self):
        need("ntfs-3g")
        self.at = tempfile.mkdtemp(prefix="coldstate-image-")
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["ntfs-3g", "-o", self.options, self.image, self.at], stdout=self.log, stderr=self.log)
        while not os.path.ismount(self.at):
            if self.process.poll() is not None:
                self.log.seek(0)
                said = self.log.read().decode(errors="replace").strip().splitlines()
                os.rmdir(self.at)
                raise Failed(f"ntfs-3g could not mount {self.image}: {said[-1] if said else 'no reason given'} (root and /dev/fuse are needed).")
            time.sleep(0.01)
        return os.fsencode(self.at)

    def __exit__(self, *_):
        subprocess.run(["umount", self.at], check=False)
        self.process.wait(timeout=300)
        os.rmdir(self.at)
        self.log.close()


def make(path, megabytes, tree, label, serial, hidden_sectors):
    """Makes the image `path` of a volume of that size and puts the tree on it."""
    need("mkntfs", "ntfs-3g")
    with open(path, "wb") as image:
        image.truncate(megabytes << 20)
    command = ["mkntfs", "-F", "-Q", "-q", "-p", str(hidden_sectors), "-H", "255", "-S", "63", "-s", "512", "-c", str(CLUSTER), "-L", label, path]
    began = time.time()
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    if done.returncode:
        raise Failed(f"mkntfs failed: {done.stderr.strip().splitlines()[-1]}")
    scattered = [entry for entry in tree.entries if entry.scattered]
    with Mounted(path) as root:
        for entry in tree.entries:
            if not entry.scattered:
                _put(root, entry, tree)
        _spare_records(root)
    clusters = sum(len(entry.data) // CLUSTER + 64 for entry in scattered)
    with settle.only_gaps_free(path, clusters), Mounted(path) as root:
        for entry in scattered:
            _put(root, entry, tree)
    with Mounted(path) as root:
        for entry in reversed(tree.entries):
            if entry.folder and not entry.reparse:
                _finish(root + b"/" + entry.bytes_of, entry)
    settle.settle(path, tree, serial, (began - 2, time.time() + 2))


def _spare_records(root):
    """Leaves free records: the runs of a scattered file fill several, and the $MFT cannot grow into single clusters."""
    spare = [root + b"/spare %d" % i for i in range(64)]
    for path in spare:
        open(path, "x").close()
    for path in spare:
        os.remove(path)


def _put(root, entry, tree):
    path = root + b"/" + entry.bytes_of
    if entry.link_to is not None:
        first = tree.by_path[entry.link_to]
        os.link(root + b"/" + first.bytes_of, path)
        _set(path, "times_be", struct.pack(">4Q", *first.times))
        entry.record = first.record
        return
    if entry.folder:
        if entry.path:
            os.mkdir(path)
    else:
        _write(path, entry)
    for name, data in entry.streams.items():
        with open(path + b":" + name.encode(), "wb") as stream:
            stream.write(data)
    entry.record = os.lstat(path).st_ino
    _set(path, "acl", entry.security)
    if entry.short:
        _set(path, "dos_name", entry.short.encode())
    if entry.folder and entry.attributes & nt.COMPRESSED:
        _set(path, "attrib", struct.pack("<I", entry.attributes))  # before its files: they take it from their folder
    if entry.reparse:
        _set(path, "attrib", struct.pack("<I", entry.attributes))
        _set(path, "reparse_data", entry.reparse)
    if not entry.folder or entry.reparse:
        _finish(path, entry)


def _write(path, entry):
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        if entry.pieces is not None:
            os.ftruncate(file, entry.size)
            for offset, data in entry.pieces:
                os.pwrite(file, data, offset)
        else:
            for chunk in pieces_of(entry):
                while chunk:
                    chunk = chunk[os.write(file, chunk) :]
            if entry.size is not None:
                os.ftruncate(file, entry.size)
    finally:
        os.close(file)


def pieces_of(entry):
    """The data of a file as it is to be written; a scattered one by clusters, or ntfs-3g asks for more than a gap holds."""
    if entry.scattered:
        return (entry.data[i : i + CLUSTER] for i in range(0, len(entry.data), CLUSTER))
    return [entry.data] if isinstance(entry.data, bytes) else entry.data.chunks()


def _finish(path, entry):
    attributes = entry.attributes & ~(nt.DIRECTORY | nt.SPARSE)
    if not entry.reparse and (entry.folder or attributes != nt.ARCHIVE):  # ntfs-3g marks new folders as to be archived, Windows does not
        _set(path, "attrib", struct.pack("<I", attributes))
    _set(path, "times_be", struct.pack(">4Q", *entry.times))


def _set(path, name, data):
    os.setxattr(path, "system.ntfs_" + name, data, follow_symlinks=False)


class Noise:
    """So many bytes nobody can compress, the same for the same number."""

    BLOCK = 4 << 20

    def __init__(self, number, size):
        self.number, self.size = number, size

    def chunks(self):
        rng = random.Random(self.number)
        for at in range(0, self.size, self.BLOCK):
            yield rng.randbytes(min(self.BLOCK, self.size - at))


class Letters(Noise):
    """So many text-like bytes, unlike any other, half as large when compressed."""

    def chunks(self):
        return (chunk.translate(LETTERS) for chunk in super(Letters, self).chunks())


class Mailbox(Noise):
    """Half compressible, as a PST is: pages of noise between pages of letters."""

    def chunks(self):
        rng = random.Random(self.number)
        for at in range(0, self.size, self.BLOCK):
            noise = rng.randbytes(min(self.BLOCK, self.size - at))
            yield b"".join(
                page if i % 2 else page.translate(LETTERS) for i, page in enumerate(noise[j : j + 8192] for j in range(0, len(noise), 8192))
            )


LETTERS = (b"etaoin shrdlu" * 20)[:180] + (b"cmfwypvbgkjqxz,.\r\n" * 5)[:76]  # 256 bytes to a text of the usual letters


def journal(rng, size):
    """A log file of that size: lines that differ little, so that it compresses well."""
    lines, length = [], 0
    while length < size:
        lines.append(b"2018-11-05 12:%02d:%02d.%03d job %08x done\r\n" % (len(lines) // 60 % 60, len(lines) % 60, rng.randrange(1000), len(lines)))
        length += len(lines[-1])
    return b"".join(lines)[:size]


def text(rng, size):
    """Text-like bytes: unlike any other, but half as large when compressed."""
    return rng.randbytes(size).translate(LETTERS)
