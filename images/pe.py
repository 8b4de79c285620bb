"""The smallest PE files that still carry a version resource, as explorer.exe does."""

import struct


def _block(key, value, children=b"", is_text=0, words=None):
    """One node of a VS_VERSIONINFO tree: length, value length, kind, key, value, children, each on 4 bytes."""
    head = key.encode("utf-16-le") + b"\0\0"
    body = _pad(b"\0" * 6 + head)[6:] + value
    body = _pad(b"\0" * 6 + body)[6:] + children
    return struct.pack("<HHH", 6 + len(body), len(value) if words is None else words, is_text) + body


def _pad(data):
    return data.ljust(-(-len(data) // 4) * 4, b"\0")


def version_info(description, name, version, product):
    major, minor, build, revision = version
    high, low = major << 16 | minor, build << 16 | revision
    fixed = struct.pack("<13I", 0xFEEF04BD, 0x10000, high, low, high, low, 0x3F, 0, 0x40004, 1, 0, 0, 0)
    texts = {
        "CompanyName": "Coldstate sample", "FileDescription": description, "FileVersion": ".".join(map(str, version)),
        "OriginalFilename": name, "ProductVersion": product or ".".join(map(str, version)),
    }  # fmt: skip
    strings = b"".join(_pad(_block(key, (text + "\0").encode("utf-16-le"), b"", 1, len(text) + 1)) for key, text in texts.items())
    table = _block("StringFileInfo", b"", _block("040904B0", b"", strings, 1), 1)
    variables = _block("VarFileInfo", b"", _block("Translation", struct.pack("<HH", 0x409, 0x4B0)), 1)
    return _block("VS_VERSION_INFO", fixed, _pad(table) + variables)


def file(description, name, version, wide, product=None):
    """A PE32 or PE32+ file of one section, its resources; `product` is its ProductVersion where that is no plain version."""
    info = version_info(description, name, version, product)
    rva, raw = 0x1000, 0x200
    resources = b""
    for i, identity in enumerate((16, 1, 0x409)):  # type RT_VERSION, its name, its language
        resources += struct.pack("<IIHHHH", 0, 0, 0, 0, 0, 1) + struct.pack("<II", identity, (24 * (i + 1)) | (0x80000000 if i < 2 else 0))
    resources += struct.pack("<IIII", rva + 88, len(info), 1200, 0) + info
    size = -(-len(resources) // 0x200) * 0x200
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    directories = [(0, 0)] * 16
    directories[2] = (rva, len(resources))
    if wide:
        optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0, size, 0, 0, 0x1000) + struct.pack("<QII", 0x140000000, 0x1000, 0x200)
    else:
        optional = struct.pack("<HBBIIIIII", 0x10B, 14, 0, 0, size, 0, 0, 0x1000, 0x1000) + struct.pack("<III", 0x400000, 0x1000, 0x200)
    optional += struct.pack("<HHHHHHIIIIHH", 6, 1, 0, 0, 6, 1, 0, 0x3000, raw, 0, 2, 0)
    optional += struct.pack("<4QII" if wide else "<4III", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    optional += b"".join(struct.pack("<II", *directory) for directory in directories)
    dll = 0x2000 if name.endswith(".dll") else 0
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664 if wide else 0x14C, 1, 0, 0, 0, len(optional), (0x22 if wide else 0x102) | dll)
    section = struct.pack("<8sIIIIIIHHI", b".rsrc", len(resources), rva, size, raw, 0, 0, 0, 0, 0x40000040)
    return (dos + coff + optional + section).ljust(raw, b"\0") + resources.ljust(size, b"\0")
