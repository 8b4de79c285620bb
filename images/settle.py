"""Gives the metadata of an unmounted volume its past, where ntfs-3g stamped it with the hour of making.

A record's "changed" time is what its entry says; whatever else was stamped while the volume was being made (the system files,
copies in directory indexes) gets the time of creation, and the volume its serial number. So one seed gives one image.
Reference: https://flatcap.github.io/linux-ntfs/ntfs/ (boot sector, FILE record, INDX record, $FILE_NAME)
"""

import contextlib
import mmap
import struct

STANDARD_INFORMATION, FILE_NAME, DATA, INDEX_ROOT, INDEX_ALLOCATION = 0x10, 0x30, 0x80, 0x90, 0xA0
RECORD, INDEX_BLOCK, STRIDE = 1024, 4096, 512


def runs(attribute):
    """The (first cluster, count) runs of a non-resident attribute; holes have None."""
    at, cluster = struct.unpack_from("<H", attribute, 0x20)[0], 0
    while attribute[at]:
        low, high = attribute[at] & 15, attribute[at] >> 4
        count = int.from_bytes(attribute[at + 1 : at + 1 + low], "little")
        cluster += int.from_bytes(attribute[at + 1 + low : at + 1 + low + high], "little", signed=True)
        yield (cluster if high else None), count
        at += 1 + low + high


def attributes(record):
    """(type, offset, length) of each attribute of a FILE record."""
    at = struct.unpack_from("<H", record, 0x14)[0]
    while at + 16 <= len(record):
        kind, length = struct.unpack_from("<II", record, at)
        if kind == 0xFFFFFFFF or not length:
            return
        yield kind, at, length
        at += length


def _sectors(block):
    """Takes the update sequence out of a block; returns what puts it back."""
    offset, count = struct.unpack_from("<HH", block, 4)
    mark = bytes(block[offset : offset + 2])
    for i in range(1, count):
        end = i * STRIDE - 2
        block[end : end + 2] = block[offset + 2 * i : offset + 2 * i + 2]

    def restore():
        for i in range(1, count):
            end = i * STRIDE - 2
            block[offset + 2 * i : offset + 2 * i + 2] = block[end : end + 2]
            block[end : end + 2] = mark

    return restore


BITMAP = 6  # the record of $Bitmap, one bit for each cluster


def _geometry(image):
    """Bytes per sector, sectors, bytes per cluster, and where the $MFT begins."""
    sector, per_cluster = struct.unpack_from("<HB", image, 0x0B)
    total, mft = struct.unpack_from("<QQ", image, 0x28)
    return sector, total, sector * per_cluster, mft * sector * per_cluster


def _data_runs(image, record_at):
    record = bytearray(image[record_at : record_at + RECORD])
    _sectors(record)
    for kind, at, length in attributes(record):
        if kind == DATA and record[at + 8]:
            yield from runs(record[at : at + length])


@contextlib.contextmanager
def only_gaps_free(path, clusters):
    """While it lasts, an unmounted volume seems full but for every second of some clusters.

    So what is written meanwhile goes into single clusters, as on a volume that had been full for years: ntfs-3g itself
    avoids gaps as long as it has anything else.
    """
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as image:
        sector, total, cluster, mft = _geometry(image)
        left, places, taken = total * sector // cluster // 8, [], []
        for at, count in _data_runs(image, mft + BITMAP * RECORD):
            length = min(count * cluster, left)  # behind the last bit is nothing
            left -= length
            places.append((at * cluster, at * cluster + length))
        for start, end in reversed(places):
            before = image[start:end]
            after = bytearray(b"\xff" * len(before))
            for i in reversed(range(len(before))):  # from the end: the zone kept for the $MFT is at the beginning
                if not before[i] and clusters > 0:
                    after[i] = 0xAA
                    clusters -= 4
            image[start:end] = bytes(after)
            taken.append((start, [new & ~old for new, old in zip(after, before)]))
    try:
        yield
    finally:
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as image:
            for start, bits in taken:
                now = image[start : start + len(bits)]
                image[start : start + len(bits)] = bytes(byte & ~ours for byte, ours in zip(now, bits))


class _Past:
    def __init__(self, tree, between):
        self.changed = {entry.record: entry.times[3] for entry in tree.entries if entry.record is not None}
        self.created = {entry.record: entry.times[0] for entry in tree.entries if entry.record is not None}
        self.made = tree.times[0]
        self.between = [int((moment + 11_644_473_600) * 10_000_000) for moment in between]

    def times(self, block, at, record):
        """The four times at `at`, of the record of that number."""
        low, high = self.between
        for i, time in enumerate(struct.unpack_from("<4Q", block, at)):
            if i == 2 and record in self.changed:
                struct.pack_into("<Q", block, at + 8 * i, self.changed[record])
            elif low <= time <= high:
                struct.pack_into("<Q", block, at + 8 * i, self.created.get(record, self.made))

    def sweep(self, block):
        """What is left of the hour of making: free records, and what is behind the end of used ones."""
        low, high = self.between
        for i, word in enumerate(struct.unpack(f"<{len(block) // 8}Q", block)):
            if low <= word <= high:
                struct.pack_into("<Q", block, 8 * i, self.made)

    def entries(self, block, header):
        """The entries of an index node; only $I30's have a file name for a key, which the length of the key tells."""
        at, end = (header + value for value in struct.unpack_from("<II", block, header))
        while at + 16 <= end:
            reference, length, key, flags = struct.unpack_from("<QHHH", block, at)
            if flags & 2 or not length:
                return
            self.times(block, at + 0x18, reference & 0xFFFFFFFFFFFF)
            at += length


def settle(path, tree, serial, between):
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as image:
        past = _Past(tree, between)
        sector, total, cluster, mft = _geometry(image)
        number = 0
        for start, count in _data_runs(image, mft):
            for offset in range(start * cluster, (start + count) * cluster, RECORD):
                _record(image, offset, cluster, number, past)
                number += 1
        mirror = struct.unpack_from("<Q", image, 0x38)[0] * cluster
        image[mirror : mirror + 4 * RECORD] = image[mft : mft + 4 * RECORD]
        struct.pack_into("<Q", image, 0x48, serial)
        image[total * sector : total * sector + sector] = image[:sector]


def _record(image, offset, cluster, number, past):
    if image[offset : offset + 4] != b"FILE":
        return
    record = bytearray(image[offset : offset + RECORD])
    restore = _sectors(record)
    owner = struct.unpack_from("<Q", record, 0x20)[0] & 0xFFFFFFFFFFFF or number  # the base, in an extension record
    for kind, at, length in attributes(record):
        value = at + struct.unpack_from("<H", record, at + 0x14)[0]
        indexed = record[at + 9] == 4 and record[at + struct.unpack_from("<H", record, at + 10)[0]:][:8] == "$I30".encode("utf-16-le")
        if kind == STANDARD_INFORMATION:
            past.times(record, value, owner)
        elif kind == FILE_NAME:
            past.times(record, value + 8, owner)
        elif kind == INDEX_ROOT and indexed:
            past.entries(record, value + 16)
        elif kind == INDEX_ALLOCATION and indexed:
            for start, count in runs(record[at : at + length]):
                for block_at in range(start * cluster, (start + count) * cluster, INDEX_BLOCK):
                    _index_block(image, block_at, past)
    past.sweep(record)
    restore()
    image[offset : offset + RECORD] = bytes(record)


def _index_block(image, offset, past):
    if image[offset : offset + 4] != b"INDX":
        return
    block = bytearray(image[offset : offset + INDEX_BLOCK])
    restore = _sectors(block)
    past.entries(block, 0x18)
    past.sweep(block)
    restore()
    image[offset : offset + INDEX_BLOCK] = bytes(block)
