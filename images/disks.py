"""Wraps a volume into a whole disk: a partition table, the volume first, other partitions behind it.

MBR: Windows (at 1 MiB; at sector 63 for XP, which knew no better), a hidden recovery partition, and an extended partition with
one logical NTFS volume. GPT: Windows at 1 MiB, an EFI system partition, Microsoft's reserved one, recovery.
Reference: UEFI specification 2.10, 5 (GUID partition table)
"""

import os
import struct
import subprocess
import zlib

import nt
import volume

SECTOR, MEBIBYTE = 512, 2048  # a mebibyte in sectors
BASIC, EFI, RESERVED, RECOVERY = (
    "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "E3C9E316-0B5C-4DB8-817D-F92DF00215AE", "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC",
)  # fmt: skip
CHS_TOO_LARGE = b"\xfe\xff\xff"


def wrap(path, m):
    """Replaces the volume `path` by a disk that holds it."""
    inner = path + ".volume"
    os.rename(path, inner)
    try:
        sectors = os.path.getsize(inner) // SECTOR
        with open(path, "wb") as disk:
            (_mbr if m.disk == "mbr" else _gpt)(disk, path, m, sectors)
        _copy(inner, path, m.hidden_sectors * SECTOR)
    finally:
        os.remove(inner)


def unwrap(path, inner, m, megabytes):
    """Takes the Windows volume out of a disk again."""
    with open(inner, "wb") as file:
        file.truncate(megabytes << 20)
    _copy(path, inner, -m.hidden_sectors * SECTOR, m.hidden_sectors * SECTOR, m.hidden_sectors * SECTOR + (megabytes << 20))


def _copy(source, target, shift, first=0, last=1 << 62):
    """Copies only what the source file stores between `first` and `last`, to `shift` bytes further on."""
    with open(source, "rb") as here, open(target, "r+b") as there:
        end = first
        while end < last:
            try:
                start = os.lseek(here.fileno(), end, os.SEEK_DATA)
            except OSError:
                return
            end = min(os.lseek(here.fileno(), start, os.SEEK_HOLE), last)
            while start < end:
                data = os.pread(here.fileno(), min(4 << 20, end - start), start)
                os.pwrite(there.fileno(), data, shift + start)
                start += len(data)


def _data_volume(path, at, megabytes):
    """A second, nearly empty NTFS volume named Data."""
    part = path + ".data"
    with open(part, "wb") as file:
        file.truncate(megabytes << 20)
    try:
        subprocess.run(["mkntfs", "-F", "-Q", "-q", "-p", str(at), "-H", "255", "-S", "63", "-s", "512", "-L", "Data", part], check=True, capture_output=True, env=volume.ENVIRONMENT)
        _copy(part, path, at * SECTOR)
    finally:
        os.remove(part)


def _entry(active, kind, first, count):
    return struct.pack("<B3sB3sII", active, CHS_TOO_LARGE, kind, CHS_TOO_LARGE, first, count)


def _boot(entries, signature=0):
    table = b"".join(entries).ljust(64, b"\0")
    return bytes(440) + struct.pack("<IH", signature, 0) + table + b"\x55\xaa"


def _align(sector):
    return -(-sector // MEBIBYTE) * MEBIBYTE


def _mbr(disk, path, m, sectors):
    recovery = _align(m.hidden_sectors + sectors)
    extended = recovery + 4 * MEBIBYTE
    logical, length = extended + MEBIBYTE, 8 * MEBIBYTE
    disk.truncate((logical + length + MEBIBYTE) * SECTOR)
    disk.write(_boot([
        _entry(0x80, 0x07, m.hidden_sectors, sectors), _entry(0, 0x27, recovery, 4 * MEBIBYTE), _entry(0, 0x0F, extended, MEBIBYTE + length),
    ], m.disk_signature))  # fmt: skip
    disk.seek(extended * SECTOR)
    disk.write(_boot([_entry(0, 0x07, logical - extended, length)]))
    disk.flush()
    _data_volume(path, logical, 8)


def _gpt(disk, path, m, sectors):
    parts, at = [], MEBIBYTE
    for kind, name, guid, count in (
        (BASIC, "Basic data partition", m.partition_guid, sectors), (EFI, "EFI system partition", nt.guid(m.rng), 4 * MEBIBYTE),
        (RESERVED, "Microsoft reserved partition", nt.guid(m.rng), 16 * MEBIBYTE), (RECOVERY, "Recovery", nt.guid(m.rng), 4 * MEBIBYTE),
    ):  # fmt: skip
        parts.append((kind, guid, at, at + count - 1, name))
        at = _align(at + count)
    total = at + MEBIBYTE
    table = b"".join(
        nt.guid_bytes(kind) + nt.guid_bytes(guid) + struct.pack("<QQQ", first, last, 0) + name.encode("utf-16-le").ljust(72, b"\0")
        for kind, guid, first, last, name in parts
    ).ljust(128 * 128, b"\0")
    disk.truncate(total * SECTOR)
    disk.write(_boot([_entry(0, 0xEE, 1, total - 1)]))
    for here, other, entries in ((1, total - 1, 2), (total - 1, 1, total - 33)):
        disk.seek(entries * SECTOR)
        disk.write(table)
        disk.seek(here * SECTOR)
        disk.write(_header(here, other, entries, total, m, table))


def _header(here, other, entries, total, m, table):
    fields = (here, other, 34, total - 34, nt.guid_bytes(m.disk_guid), entries, 128, 128, zlib.crc32(table))
    make = lambda crc: struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, *fields)  # noqa: E731
    return make(zlib.crc32(make(0)))
