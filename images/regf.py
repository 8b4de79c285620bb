"""Writes registry hives (regf) from a tree of keys, in one pass and byte for byte repeatable.

hivex reads what this writes (`images/check`), but does not write it: it keeps values over 16,344 bytes in one cell, hashes
non-ASCII key names wrongly and puts `lh` lists into version 1.3 files, none of which Windows does.
Reference: https://github.com/msuhanov/regf/blob/master/Windows%20registry%20file%20format%20specification.md
"""

import struct

NONE, SZ, EXPAND_SZ, BINARY, DWORD, LINK, MULTI_SZ, QWORD = 0, 1, 2, 3, 4, 6, 7, 11

NIL = 0xFFFFFFFF
BLOCK = 4096
SEGMENT = 16344  # the most bytes of a value that one cell keeps, since version 1.4
LEAF = 500  # entries of one subkey list before an `ri` list of lists is needed


class Key:
    """A key to be written. `key` and `set` make what is missing, so that a hive reads as a list of settings."""

    def __init__(self, name, time, security):
        self.name, self.time, self.security = name, time, security
        self.subkeys, self.values, self.klass = {}, {}, ""

    def key(self, path):
        here = self
        for name in path.split("\\"):
            here = here.subkeys.setdefault(upper(name), Key(name, here.time, here.security))
        return here

    def stamp(self, time):
        self.time = time
        return self

    def raw(self, name, kind, data):
        self.values[upper(name)] = (name, kind, data)
        return self

    def set(self, **values):
        """Sets values by keyword; `set_all` takes the names that are no Python words."""
        return self.set_all(values)

    def set_all(self, values):
        for name, value in values.items():
            self.raw(name, *encode(value))
        return self


class Expand(str):
    """A text that is to be kept as REG_EXPAND_SZ."""


def encode(value):
    if isinstance(value, Expand):
        return EXPAND_SZ, (value + "\0").encode("utf-16-le")
    if isinstance(value, str):
        return SZ, (value + "\0").encode("utf-16-le")
    if isinstance(value, int):
        return (DWORD, struct.pack("<I", value)) if value <= NIL else (QWORD, struct.pack("<Q", value))
    if isinstance(value, (list, tuple)):
        return MULTI_SZ, ("".join(text + "\0" for text in value) + "\0").encode("utf-16-le")
    return BINARY, bytes(value)


def upper(name):
    return "".join(c.upper() if len(c.upper()) == 1 else c for c in name)


def units(name):
    return struct.unpack(f"<{len(name.encode('utf-16-le')) // 2}H", name.encode("utf-16-le"))


def stored_name(name):
    """The bytes of a key or value name, and whether they are the compressed (Latin-1) kind."""
    try:
        return name.encode("latin-1"), True
    except UnicodeEncodeError:
        return name.encode("utf-16-le"), False


class _Writer:
    def __init__(self, minor):
        self.minor, self.bins, self.open, self.room = minor, bytearray(), 0, 0
        self.descriptors = {}  # bytes -> [cell, references]

    def cell(self, body):
        """Puts a cell into the open bin, or into a new one; a cell never crosses bins."""
        size = -(-(len(body) + 4) // 8) * 8
        if size > self.room:
            self.close()
            length = -(-(size + 32) // BLOCK) * BLOCK
            self.bins += b"hbin" + struct.pack("<IIQQI", len(self.bins), length, 0, 0, 0)
            self.room = length - 32
        offset = len(self.bins)
        self.bins += struct.pack("<i", -size) + body + bytes(size - 4 - len(body))
        self.room -= size
        return offset

    def close(self):
        if self.room:
            self.bins += struct.pack("<i", self.room) + bytes(self.room - 4)
        self.room = 0

    def patch(self, offset, data):
        self.bins[offset + 4 : offset + 4 + len(data)] = data

    def security(self, data):
        if data not in self.descriptors:
            self.descriptors[data] = [self.cell(b"sk" + bytes(14) + struct.pack("<I", len(data)) + data), 0]
        self.descriptors[data][1] += 1
        return self.descriptors[data][0]

    def link_security(self):
        """Descriptors form one ring through the whole hive, each with the count of keys that use it."""
        cells = list(self.descriptors.values())
        for i, (cell, references) in enumerate(cells):
            after, before = cells[(i + 1) % len(cells)][0], cells[i - 1][0]
            self.patch(cell, struct.pack("<2sHIII", b"sk", 0, after, before, references))

    def key(self, key, parent):
        name, compressed = stored_name(key.name)
        klass = key.klass.encode("utf-16-le")
        flags = (0x20 if compressed else 0) | (0x0C if parent == NIL else 0)
        offset = self.cell(bytes(76) + name)
        security = self.security(key.security)
        klass_cell = self.cell(klass) if klass else NIL
        values = [self.value(*value) for value in key.values.values()]
        values_cell = self.cell(struct.pack(f"<{len(values)}I", *values)) if values else NIL
        children = sorted(key.subkeys.values(), key=lambda child: units(upper(child.name)))
        cells = [(self.key(child, offset), child) for child in children]
        fields = struct.pack(
            "<2sHQIIIIIIIIIIIIIIIHH", b"nk", flags, key.time, 0, parent, len(cells), 0, self.subkey_list(cells), NIL,
            len(values), values_cell, security, klass_cell,
            max((2 * len(units(child.name)) for child in children), default=0),
            max((2 * len(child.klass) for child in children), default=0),
            max((2 * len(units(value[0])) for value in key.values.values()), default=0),
            max((len(value[2]) for value in key.values.values()), default=0),
            0, len(name), len(klass))  # fmt: skip
        self.patch(offset, fields)
        return offset

    def value(self, name, kind, data):
        stored, compressed = stored_name(name)
        length = len(data)
        if length <= 4:
            length, place = length | 0x80000000, int.from_bytes(data.ljust(4, b"\0"), "little")
        elif length > SEGMENT and self.minor > 3:
            parts = [self.cell(data[i : i + SEGMENT]) for i in range(0, length, SEGMENT)]
            place = self.cell(struct.pack("<2sHI", b"db", len(parts), self.cell(struct.pack(f"<{len(parts)}I", *parts))))
        else:
            place = self.cell(data)
        return self.cell(struct.pack("<2sHIIIHH", b"vk", len(stored), length, place, kind, int(compressed), 0) + stored)

    def subkey_list(self, cells):
        if not cells:
            return NIL
        if len(cells) <= LEAF:
            return self.leaf(cells, b"lf" if self.minor <= 3 else b"lh")
        kind = b"li" if self.minor <= 3 else b"lh"
        leaves = [self.leaf(cells[i : i + LEAF], kind) for i in range(0, len(cells), LEAF)]
        return self.cell(struct.pack("<2sH", b"ri", len(leaves)) + struct.pack(f"<{len(leaves)}I", *leaves))

    def leaf(self, cells, kind):
        entries = (struct.pack("<I", cell) + (b"" if kind == b"li" else self.hint(child.name)) for cell, child in cells)
        return self.cell(struct.pack("<2sH", kind, len(cells)) + b"".join(entries))

    def hint(self, name):
        """What a list keeps of a name to save a look: its first letters (`lf`) or a hash of all of it (`lh`)."""
        if self.minor <= 3:
            letters = name[:4]
            return letters.encode("latin-1").ljust(4, b"\0") if all(ord(c) < 256 for c in letters) else bytes(4)
        value = 0
        for unit in units(upper(name)):
            value = (value * 37 + unit) & NIL
        return struct.pack("<I", value)


def checksum(base):
    """The XOR of a base block's first 508 bytes, with the two values that Windows avoids."""
    total = 0
    for (word,) in struct.iter_unpack("<I", base[:508]):
        total ^= word
    return {NIL: NIL - 1, 0: 1}.get(total, total)


def base_block(size, root, minor, file_name, time, sequences=(1, 1), kind=0):
    name = file_name[-31:].encode("utf-16-le").ljust(64, b"\0")
    base = struct.pack("<4sIIQIIIIIII", b"regf", *sequences, time, 1, minor, kind, 1, root, size, 1) + name
    base = base.ljust(508, b"\0")
    return (base + struct.pack("<I", checksum(base))).ljust(BLOCK, b"\0")


def marvin32(data):
    """The hash of log entries. The seed is an integer; the specification's order of its bytes fails every real log."""
    low, high = 0x7A4E55C5, 0x82EF4D88
    whole = len(data) // 4 * 4
    tail = int.from_bytes((data[whole:] + b"\x80").ljust(4, b"\0"), "little")
    rotate = lambda value, bits: (value << bits | value >> 32 - bits) & NIL  # noqa: E731
    for word in (*struct.unpack(f"<{whole // 4}I", data[:whole]), tail, 0):
        low = low + word & NIL
        high ^= low
        low = rotate(low, 20) + high & NIL
        high = rotate(high, 9) ^ low
        low = rotate(low, 27) + high & NIL
        high = rotate(high, 19)
    return struct.pack("<II", low, high)


def log_entry(sequence, bins_size, pages):
    """One entry of a log since Windows 8.1; `pages` are (position behind the base block, content)."""
    body = b"".join(struct.pack("<II", at, len(page)) for at, page in pages) + b"".join(page for _, page in pages)
    size = -(-(40 + len(body)) // 512) * 512
    body = body.ljust(size - 40, b"\0")
    head = struct.pack("<4sIIIII", b"HvLE", size, 0, sequence, bins_size, len(pages)) + marvin32(body)
    return head + marvin32(head) + body


def unfinished(before, after, sequence=41):
    """The file and its log of a hive that was to go from one state to the other when the computer went off.

    Two writes had reached the log, each with half of the changed pages; of the file only the first sequence number was written.
    """
    pages = [(at - BLOCK, after[at : at + BLOCK]) for at in range(BLOCK, len(after), BLOCK) if after[at : at + BLOCK] != before[at : at + BLOCK]]
    size, half = len(after) - BLOCK, len(pages) // 2

    def base(of, sequences, kind=0):
        block = bytearray(of[:BLOCK])
        struct.pack_into("<II", block, 4, *sequences)
        struct.pack_into("<I", block, 28, kind)
        struct.pack_into("<I", block, 508, checksum(bytes(block)))
        return bytes(block)

    entries = log_entry(sequence, size, pages[:half]) + log_entry(sequence + 1, size, pages[half:])
    return base(before, (sequence, sequence - 1)) + before[BLOCK:], base(after, (sequence, sequence), 6)[:512] + entries


def write(root, minor, file_name):
    r"""The bytes of a clean hive. `file_name` is what Windows notes in it, such as `\??\C:\Users\anna\NTUSER.DAT`."""
    writer = _Writer(minor)
    place = writer.key(root, NIL)
    writer.link_security()
    writer.close()
    struct.pack_into("<Q", writer.bins, 20, root.time)
    return base_block(len(writer.bins), place, minor, file_name, root.time) + bytes(writer.bins)
