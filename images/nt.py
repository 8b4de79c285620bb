"""The small binary words Windows keeps on disk: SIDs, FILETIMEs, GUIDs, security descriptors, reparse buffers, shell links."""

import datetime
import struct
import uuid

READONLY, HIDDEN, SYSTEM, DIRECTORY, ARCHIVE = 0x1, 0x2, 0x4, 0x10, 0x20
SPARSE, COMPRESSED, OFFLINE, NOT_INDEXED = 0x200, 0x800, 0x1000, 0x2000

LOCAL_SYSTEM, LOCAL_SERVICE, NETWORK_SERVICE = "S-1-5-18", "S-1-5-19", "S-1-5-20"
ADMINISTRATORS, USERS, EVERYONE, RESTRICTED = "S-1-5-32-544", "S-1-5-32-545", "S-1-1-0", "S-1-5-12"
TRUSTED_INSTALLER = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

FULL, READ_EXECUTE, KEY_FULL, KEY_READ = 0x1F01FF, 0x1200A9, 0xF003F, 0x20019
OBJECT_INHERIT, CONTAINER_INHERIT, INHERITED = 0x1, 0x2, 0x10
SELF_RELATIVE, DACL_PRESENT, DACL_AUTO_INHERITED, DACL_PROTECTED = 0x8000, 0x4, 0x400, 0x1000

MOUNT_POINT, SYMLINK, CLOUD_1 = 0xA0000003, 0xA000000C, 0x9000101A


def sid(text):
    """The binary form of a SID (MS-DTYP 2.4.2.2)."""
    authority, *subs = (int(part) for part in text.split("-")[2:])
    return struct.pack("<BB", 1, len(subs)) + authority.to_bytes(6, "big") + struct.pack(f"<{len(subs)}I", *subs)


def filetime(year, month, day, hour=0, minute=0, second=0, ticks=0):
    """100 ns units since 1601, the last of them given as `ticks` because Python stops at microseconds."""
    since = datetime.datetime(year, month, day, hour, minute, second) - datetime.datetime(1601, 1, 1)
    return (since.days * 86400 + since.seconds) * 10_000_000 + ticks


DAY = 86400 * 10_000_000


def unix_time(time):
    return time // 10_000_000 - 11_644_473_600


def guid(rng):
    """A random GUID, `{8-4-4-4-12}`."""
    return "{" + str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper() + "}"


def guid_bytes(text):
    return uuid.UUID(text).bytes_le


def security(owner, group, aces, control=DACL_AUTO_INHERITED):
    """A self-relative security descriptor; `aces` are (flags, mask, SID), all of the kind that allows."""
    owner, group = sid(owner), sid(group)
    body = b""
    for flags, mask, who in aces:
        who = sid(who)
        body += struct.pack("<BBHI", 0, flags, 8 + len(who), mask) + who
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(body), len(aces), 0) + body
    head = struct.pack("<BBHIIII", 1, 0, SELF_RELATIVE | DACL_PRESENT | control, 20, 20 + len(owner), 0, 20 + len(owner) + len(group))
    return head + owner + group + acl


class Owner:
    """The descriptors of one subtree: its protected top, and what folders and files below inherit from it."""

    def __init__(self, owner, group, grants):
        both = OBJECT_INHERIT | CONTAINER_INHERIT
        self.top = security(owner, group, [(both, mask, who) for mask, who in grants], DACL_PROTECTED)
        self.folder = security(owner, group, [(both | INHERITED, mask, who) for mask, who in grants])
        self.file = security(owner, group, [(INHERITED, mask, who) for mask, who in grants])


def _reparse(tag, data):
    return struct.pack("<IHH", tag, len(data), 0) + data


def _names(substitute, display):
    substitute, display = substitute.encode("utf-16-le"), display.encode("utf-16-le")
    head = struct.pack("<HHHH", 0, len(substitute), len(substitute) + 2, len(display))
    return head, substitute + b"\0\0" + display + b"\0\0"


def junction(target):
    r"""A mount-point reparse buffer for an absolute target such as `C:\Users`."""
    head, names = _names("\\??\\" + target, target)
    return _reparse(MOUNT_POINT, head + names)


def symlink(target, relative=False):
    head, names = _names(target if relative else "\\??\\" + target, target)
    return _reparse(SYMLINK, head + struct.pack("<I", int(relative)) + names)


def shell_link(target, relative, wide):
    r"""What Explorer writes for a file such as `C:\Users\anna\a.doc`, without the list of its shell items; with the path in Unicode or not."""
    folder = target.rpartition("\\")[0]
    flags = 0x2 | 0x8 | 0x10 | 0x80  # LinkInfo, relative path, working directory, Unicode
    head = struct.pack("<I16sII", 0x4C, guid_bytes("00021401-0000-0000-c000-000000000046"), flags, ARCHIVE) + bytes(32)
    head += struct.pack("<I", 1) + bytes(12)
    volume = struct.pack("<IIII", 17, 3, 0x5EED1234, 16) + b"\0"
    base = target.encode("cp1252") + b"\0"
    header = 0x24 if wide else 0x1C
    at = header + len(volume)
    text = (target + "\0\0").encode("utf-16-le") if wide else b""
    suffix = at + len(base)
    end = suffix + 1 + ((suffix + 1) % 2 if wide else 0)
    size = end + len(text)
    info = struct.pack("<7I", size, header, 1, header, at, 0, suffix) + (struct.pack("<II", end, size - 2) if wide else b"")
    info = (info + volume + base).ljust(end, b"\0") + text
    strings = b"".join(struct.pack("<H", len(string)) + string.encode("utf-16-le") for string in (relative, folder))
    tracker = struct.pack("<II", 0x60, 0xA0000003) + struct.pack("<II", 0x58, 0) + b"oldpc".ljust(16, b"\0") + bytes(range(64))
    return head + info + strings + tracker + bytes(4)


def cloud_placeholder(identity):
    """What OneDrive leaves of a file that is only in the cloud: the filter's own blob, opaque to everybody else."""
    return _reparse(CLOUD_1, b"FeRp" + struct.pack("<II", 0, len(identity)) + identity)
