"""The files and folders of the small kinds: Windows, programs, and what people keep in their profiles."""

import json
import random
import zlib

import applications
import hives
import machine
import nt
import pe
import regf
from volume import Tree, journal, text

HIVE_MINOR, USER_HIVE_MINOR = 5, {"5.1": 3, "6.1": 3}  # NTUSER.DAT stayed at 1.3 until Windows 8; machine hives are 1.5


def owner_of(m, person):
    group = f"{person.sid.rpartition('-')[0]}-513"
    return nt.Owner(person.sid, group, [(nt.FULL, nt.LOCAL_SYSTEM), (nt.FULL, nt.ADMINISTRATORS), (nt.FULL, person.sid)])


SYSTEM_OWNER = nt.Owner(nt.LOCAL_SYSTEM, nt.LOCAL_SYSTEM, [(nt.FULL, nt.LOCAL_SYSTEM), (nt.FULL, nt.ADMINISTRATORS), (nt.READ_EXECUTE, nt.USERS)])
WINDOWS_OWNER = nt.Owner(
    nt.TRUSTED_INSTALLER, nt.TRUSTED_INSTALLER,
    [(nt.FULL, nt.TRUSTED_INSTALLER), (nt.FULL, nt.LOCAL_SYSTEM), (nt.READ_EXECUTE, nt.USERS)],
)  # fmt: skip
HIVE_OWNER = nt.Owner(nt.ADMINISTRATORS, nt.LOCAL_SYSTEM, [(nt.FULL, nt.LOCAL_SYSTEM), (nt.FULL, nt.ADMINISTRATORS)])


class Writer:
    """The tree of one machine and the chance that shapes it."""

    def __init__(self, m):
        self.m, self.rng = m, random.Random(f"files {m.kind} {m.seed}")
        self.tree = Tree(SYSTEM_OWNER, self.at(m.installed))
        self.short_names = set()

    def at(self, created, spread=0):
        """Four different times from `created`, to the 100 ns."""
        moments = sorted(created + self.rng.randrange(1, max(spread, nt.DAY // 24)) for _ in range(3))
        return created + self.rng.randrange(10_000_000), moments[0], moments[2], moments[1]

    def lately(self, person):
        """Times within the years somebody used the machine."""
        span = max(person.last_use - self.m.installed, nt.DAY)
        created = self.m.installed + self.rng.randrange(span)
        return self.at(created, max(person.last_use - created, nt.DAY))

    def short(self, path):
        """The 8.3 name Windows would give; for a name that is one, that name in capitals."""
        folder, _, name = path.rpartition("/")
        stem, dot, ending = name.rpartition(".")
        if not stem:
            stem, ending = name, ""
        clean = lambda part: "".join(c for c in part.upper() if c.isascii() and (c.isalnum() or c in "_-$~!"))  # noqa: E731
        if clean(stem) == stem.upper() and clean(ending) == ending.upper() and len(stem) <= 8 and len(ending) <= 3:
            return name.upper()
        hashed = f"{clean(stem)[:2]}{zlib.crc32(name.encode('utf-16-le', 'surrogatepass')) & 0xFFFF:04X}"
        # As Windows: numbers up to four, then a hash of the name, so that a folder of thousands stays fast.
        for start, number in [(clean(stem)[:6], number) for number in range(1, 5)] + [(hashed, number) for number in range(1, 10)]:
            found = f"{start}~{number}" + ("." + clean(ending)[:3] if clean(ending) else "")
            if (folder, found) not in self.short_names:
                self.short_names.add((folder, found))
                return found
        return None

    def folder(self, path, times=None, **more):
        if path in self.tree.by_path:
            return self.tree.by_path[path]
        return self.tree.folder(path, times, short=more.pop("short", None) or self.short(path), **more)

    def file(self, path, data=b"", times=None, **more):
        parent = path.rpartition("/")[0]
        for i, c in enumerate(parent + "/"):
            if c == "/":
                self.folder(parent[:i])
        return self.tree.file(path, data, times, short=more.pop("short", None) or self.short(path), **more)

    def hive(self, path, root, minor, noted, times):
        self.file(path, regf.write(root, minor, noted), times, attributes=nt.ARCHIVE)


def build(m):
    w = Writer(m)
    windows(w)
    programs(w)
    shared(w)
    for person in m.people:
        if person.kind != "missing":
            profile(w, person)
    root_files(w)
    if m.windows_old:
        windows_old(w)
    return w.tree


def windows(w):
    m, tree = w.m, w.tree
    base = "WINDOWS" if m.xp else "Windows"
    tree.owned(base, SYSTEM_OWNER if m.xp else WINDOWS_OWNER)
    build = {"5.1": (5, 1, 2600, 5512), "6.1": (6, 1, 7601, 17514)}.get(m.version, (10, 0, m.build, 1889))
    for path, description in (
        ("explorer.exe", "Windows Explorer"), ("notepad.exe", "Notepad"), ("System32/ntoskrnl.exe", "NT Kernel & System"),
        ("System32/kernel32.dll", "Windows NT BASE API Client DLL"), ("System32/ntdll.dll", "NT Layer DLL"), ("System32/shell32.dll", "Windows Shell Common Dll"),
    ):  # fmt: skip
        w.file(f"{base}/{path}", pe.file(description, path.rpartition("/")[2], build, m.architecture == "AMD64"))
    for path in ("System32/drivers/etc/hosts", "System32/drivers/etc/services", "win.ini", "system.ini"):
        w.file(f"{base}/{path}", b"# Copyright (c) 1993-2009 Microsoft Corp.\r\n127.0.0.1 localhost\r\n")
    for i in range(40):
        w.file(f"{base}/System32/de-DE/module{i:02}.dll.mui", text(w.rng, 700 + 37 * i))
    for name in ("arial.ttf", "consola.ttf", "segoeui.ttf"):
        w.file(f"{base}/Fonts/{name}", text(w.rng, 9000))
    side = f"{base}/WinSxS/amd64_microsoft-windows-{'{}'}_31bf3856ad364e35_{build[0]}.{build[1]}.{build[2]}.{build[3]}_none_{'{:016x}'}"
    if not m.xp:
        for name in ("explorer.exe", "System32/kernel32.dll", "System32/shell32.dll", "notepad.exe"):
            leaf = name.rpartition("/")[2]
            w.folder(side.format(leaf[:-4], w.rng.getrandbits(64)))
            tree.link(w.tree.entries[-1].path + "/" + leaf, f"{base}/{name}")
    w.file(f"{base}/Prefetch/NOTEPAD.EXE-D8414F97.pf", text(w.rng, 5000))
    w.folder(f"{base}/Temp")
    config = f"{base}/System32/config"
    tree.owned(config, HIVE_OWNER)
    for name, root in (("SOFTWARE", hives.software(m)), ("SYSTEM", hives.system(m)), ("SAM", hives.sam(m)), ("SECURITY", hives.security(m))):
        w.hive(f"{config}/{name}", root, HIVE_MINOR, f"\\SystemRoot\\System32\\Config\\{name}", w.at(m.now - nt.DAY))
        w.file(f"{config}/{name}.LOG" + ("" if m.xp else "1"), b"", attributes=nt.HIDDEN | nt.SYSTEM)
    default = regf.Key("$$$PROTO.HIV" if m.xp else "ROOT", m.installed, hives.user_keys(nt.LOCAL_SYSTEM))
    default.key("Control Panel\\Desktop").set(Wallpaper="")
    w.hive(f"{config}/DEFAULT", default, HIVE_MINOR, "\\SystemRoot\\System32\\Config\\DEFAULT", w.at(m.now - nt.DAY))
    for folder in ["System32/config/systemprofile"] + ([] if m.xp else ["ServiceProfiles/LocalService", "ServiceProfiles/NetworkService"]):
        w.folder(f"{base}/{folder}")


def programs(w):
    m = w.m
    w.tree.owned(m.programs, WINDOWS_OWNER if not m.xp else SYSTEM_OWNER)
    for name, version, _, folder in applications.installed(m):
        parts = [int(part) for part in (version + ".0.0.0").split(".")[:4]]
        exe = {"Notepad++": "notepad++.exe", "7-Zip": "7zFM.exe", "Mozilla Firefox": "firefox.exe", "Google Chrome": "chrome.exe", "PuTTY": "putty.exe"}[name]
        w.file(f"{m.programs}/{folder}/{exe}".replace("\\", "/"), pe.file(name, exe, parts, m.architecture == "AMD64"))
    if m.version == "6.3":
        w.file(f"{m.programs}/Microsoft Office/Office16/OUTLOOK.EXE", pe.file("Microsoft Outlook", "OUTLOOK.EXE", (16, 0, 5266, 1000), False))
    w.folder(f"{m.programs}/" + ("Gemeinsame Dateien" if m.xp else "Common Files"))
    if m.architecture == "AMD64" and m.kind not in ("sample", "bench"):
        w.tree.owned("Program Files (x86)", WINDOWS_OWNER)
        w.folder("Program Files (x86)/Common Files")
    applications.of(m).machine_files(w)


DESKTOP_INI = "\ufeff[.ShellClassInfo]\r\nLocalizedResourceName=@%SystemRoot%\\system32\\shell32.dll,-{}\r\n".encode("utf-16-le")


def desktop_ini(w, folder, number):
    w.file(f"{folder}/desktop.ini", DESKTOP_INI.replace(b"{\0}\0", str(number).encode("utf-16-le")), attributes=nt.HIDDEN | nt.SYSTEM | nt.ARCHIVE)


def link(w, path, target, kind=nt.junction):
    w.folder(path.rpartition("/")[0])
    w.folder(path, attributes=nt.HIDDEN | nt.SYSTEM | nt.NOT_INDEXED, reparse=kind(target))


def shared(w):
    """What belongs to everybody: Public and Default, or All Users and Default User."""
    m = w.m
    people = w.folder(m.users_folder)
    people.attributes = 0 if m.xp else nt.READONLY
    default = f"{m.users_folder}/" + ("Default User" if m.xp else "Default")
    w.folder(default, attributes=nt.HIDDEN)
    blank = hives.Blank(m, default)
    w.hive(f"{default}/NTUSER.DAT", hives.user(m, blank), USER_HIVE_MINOR.get(m.version, 5), f"\\??\\C:\\{default}\\NTUSER.DAT".replace("/", "\\"), w.at(m.installed))
    for place in ("Desktop", "Personal", "Favorites", "AppData"):
        w.folder(f"{default}/{m.folders[place]}")
    if m.xp:
        everybody = f"{m.users_folder}/All Users"
        w.file(f"{everybody}/Dokumente/Vorlage.doc", text(w.rng, 3000))
        w.file(f"{everybody}/Desktop/Intranet.url", b"[InternetShortcut]\r\nURL=http://intranet.contoso.example/\r\n")
        w.file(f"{everybody}/Anwendungsdaten/Contoso/settings.ini", b"[server]\r\nname=srv01\r\n")
        w.folder(f"{everybody}/Startmenü")
        return
    w.tree.owned("ProgramData", SYSTEM_OWNER)
    w.folder("ProgramData", attributes=nt.HIDDEN)
    w.file("ProgramData/Contoso/settings.ini", b"[server]\r\nname=srv01\r\n")
    w.file("ProgramData/Microsoft/Windows/Start Menu/Programs/Notepad++.lnk", b"L\0\0\0" + text(w.rng, 600))
    public = f"{m.users_folder}/Public"
    w.folder(public, attributes=nt.READONLY)
    desktop_ini(w, public, 21816)
    w.file(f"{public}/Documents/Price list 2021.txt", text(w.rng, 4000))
    w.folder(f"{public}/Desktop", attributes=nt.HIDDEN)
    link(w, f"{m.users_folder}/All Users", "C:\\ProgramData", nt.symlink)
    link(w, f"{m.users_folder}/Default User", "C:\\Users\\Default")
    link(w, "Documents and Settings", "C:\\Users")


def compatibility(w, home, m):
    """The junctions Vista and later keep for programs that still use XP's names."""
    target = "C:\\" + home.replace("/", "\\")
    for name, to in (
        ("Application Data", "AppData\\Roaming"), ("Local Settings", "AppData\\Local"), ("My Documents", "Documents"),
        ("Start Menu", "AppData\\Roaming\\Microsoft\\Windows\\Start Menu"), ("SendTo", "AppData\\Roaming\\Microsoft\\Windows\\SendTo"),
        ("Recent", "AppData\\Roaming\\Microsoft\\Windows\\Recent"), ("Cookies", "AppData\\Local\\Microsoft\\Windows\\INetCookies"),
        ("AppData/Local/Application Data", "AppData\\Local"), ("Documents/My Pictures", "Pictures"), ("Documents/My Music", "Music"),
    ):  # fmt: skip
        link(w, f"{home}/{name}", f"{target}\\{to}")


def profile(w, person):
    m, rng = w.m, w.rng
    home = m.home(person)
    w.tree.owned(home, owner_of(m, person))
    w.folder(home, w.at(m.installed + nt.DAY))
    minor = USER_HIVE_MINOR.get(m.version, 5)
    used = (m.installed + nt.DAY, person.last_use, person.last_use + 17, person.last_use + 5)
    noted = "\\??\\" + m.home(person, True)
    ntuser, noted, log = hives.user(m, person), f"{noted}\\NTUSER.DAT", b""
    if person.unsaved:
        before = regf.write(ntuser, minor, noted)
        torn, log = regf.unfinished(before, regf.write(hives.unsaved(ntuser), minor, noted))
        w.file(f"{home}/NTUSER.DAT", torn, used)
    else:
        w.hive(f"{home}/NTUSER.DAT", ntuser, minor, noted, used)
    w.tree.by_path[f"{home}/NTUSER.DAT"].attributes = nt.HIDDEN | nt.ARCHIVE
    w.file(f"{home}/ntuser.dat.LOG" + ("" if m.xp else "1"), log, used, attributes=nt.HIDDEN | nt.SYSTEM)
    w.file(f"{home}/ntuser.ini", b"\xff\xfe" + "[General]\r\n".encode("utf-16-le"), used, attributes=nt.HIDDEN | nt.SYSTEM)
    local = m.place(person, "Local AppData")
    w.hive(f"{local}/Microsoft/Windows/UsrClass.dat", hives.classes(m, person), minor, "\\??\\C:\\" + f"{local}/Microsoft/Windows/UsrClass.dat".replace("/", "\\"), used)
    for known in m.folders:
        w.folder(m.place(person, known))
    if m.xp:
        w.tree.by_path[f"{home}/Lokale Einstellungen"].attributes = nt.HIDDEN
        w.tree.by_path[f"{home}/Anwendungsdaten"].attributes = nt.HIDDEN
    else:
        w.tree.by_path[f"{home}/AppData"].attributes = nt.HIDDEN
        compatibility(w, home, m)
    documents(w, person)
    settings(w, person)
    if applications.used_by(m, person):
        applications.of(m).user_files(w, person)
    caches(w, person)
    if person is m.people[0]:
        oddities(w, person)


def documents(w, person):
    m, rng = w.m, w.rng
    documents, pictures, desktop = (m.place(person, name) for name in ("Personal", "My Pictures", "Desktop"))
    downloads = m.place(person, "{374DE290-123F-4565-9164-39C4925E467B}") if not m.xp else f"{documents}/Downloads"
    desktop_ini(w, documents, 21770)
    desktop_ini(w, desktop, 21769)
    count = 8 if m.kind == "sample" else 40
    for i in range(count):
        year = 2005 + i % 17
        w.file(f"{documents}/{year}/Report {i:03}.txt", text(rng, rng.randrange(200, 6000)), w.lately(person))
    w.file(f"{documents}/Übersicht Größen.txt", "Maße: 3 × 4 m\r\n".encode("utf-8-sig"), w.lately(person))
    w.file(f"{documents}/会議メモ.txt", "議題\r\n".encode("utf-16"), w.lately(person))
    w.file(f"{documents}/Budget.xls", rng.randbytes(20_000), w.lately(person), streams={"\x05SummaryInformation": text(rng, 900)})
    w.file(f"{documents}/empty.txt", b"", w.lately(person))
    w.file(f"{documents}/read me only.txt", b"frozen\r\n", w.lately(person), attributes=nt.READONLY | nt.ARCHIVE)
    w.file(f"{documents}/hidden.ini", b"x=1\r\n", w.lately(person), attributes=nt.HIDDEN | nt.ARCHIVE)
    pst = 60_000 if m.kind == "sample" else 1_500_000
    w.file(f"{documents}/Outlook Files/archive.pst", b"!BDN" + text(rng, pst // 2) + rng.randbytes(pst // 2), w.lately(person))
    for i, name in enumerate(["holiday", "garden", "Straße", "team"]):
        w.file(f"{pictures}/{name}.jpg", photo(rng, 12_000 if m.kind == "sample" else 400_000 + 5000 * i), w.lately(person))
    zone = b"[ZoneTransfer]\r\nZoneId=3\r\nReferrerUrl=https://www.example.org/\r\nHostUrl=https://www.example.org/setup.exe\r\n"
    w.file(f"{downloads}/setup.exe", pe.file("Setup", "setup.exe", (1, 2, 3, 4), False), w.lately(person), streams={"Zone.Identifier": zone})
    w.file(f"{downloads}/manual.pdf", b"%PDF-1.4\n" + text(rng, 5000), w.lately(person), streams={"Zone.Identifier": zone})
    w.file(f"{desktop}/Notes.txt", b"call the printer people\r\n", w.lately(person))
    w.file(f"{desktop}/Intranet.url", b"[InternetShortcut]\r\nURL=https://intranet.contoso.example/\r\n", w.lately(person))
    w.file(f"{m.place(person, 'Favorites')}/Links/Wiki.url", b"[InternetShortcut]\r\nURL=https://wiki.contoso.example/\r\n", w.lately(person))


def photo(rng, size):
    return b"\xff\xd8\xff\xe0\0\x10JFIF\0" + rng.randbytes(size)


def settings(w, person):
    m, rng = w.m, w.rng
    roaming, local = m.place(person, "AppData"), m.place(person, "Local AppData")
    for ending, data in (("htm", "<p>Kind regards<br>{}</p>"), ("txt", "Kind regards\r\n{}\r\n"), ("rtf", "{{\\rtf1 {}}}")):
        w.file(f"{roaming}/Microsoft/Signatures/Business.{ending}", data.format(person.full_name).encode(), w.lately(person))
    w.file(f"{roaming}/Notepad++/config.xml", b"<?xml version=\"1.0\"?><NotepadPlus><GUIConfigs /></NotepadPlus>\r\n", w.lately(person))
    w.file(f"{roaming}/Notepad++/shortcuts.xml", b"<NotepadPlus />\r\n", w.lately(person))
    marks = {"roots": {"bookmark_bar": {"children": [{"name": "Wiki", "type": "url", "url": "https://wiki.contoso.example/"}]}}, "version": 1}
    for name in ("Default", "Profile 1"):
        chrome = f"{local}/Google/Chrome/User Data/{name}"
        w.file(f"{chrome}/Bookmarks", json.dumps(marks).encode(), w.lately(person))
        w.file(f"{chrome}/Preferences", b"{}", w.lately(person))
        w.file(f"{chrome}/Login Data", b"SQLite format 3\0" + rng.randbytes(3000), w.lately(person))
        for i in range(4):
            w.file(f"{chrome}/Cache/f_{i:06x}", rng.randbytes(2000), w.lately(person))
    w.file(f"{local}/Google/Chrome/User Data/Local State", b"{\"profile\":{\"info_cache\":{}}}", w.lately(person))
    fox = f"{roaming}/Mozilla/Firefox"
    w.file(f"{fox}/profiles.ini", b"[Profile0]\r\nName=default\r\nIsRelative=1\r\nPath=Profiles/k3x9.default\r\nDefault=1\r\n", w.lately(person))
    for name in ("places.sqlite", "logins.json", "key4.db", "prefs.js"):
        w.file(f"{fox}/Profiles/k3x9.default/{name}", text(rng, 2500), w.lately(person))
    w.file(f"{roaming}/Microsoft/Protect/{person.sid}/Preferred", rng.randbytes(24), w.lately(person), attributes=nt.HIDDEN | nt.SYSTEM)
    w.file(f"{roaming}/Microsoft/Word/STARTUP/macros.dotm", rng.randbytes(3000), w.lately(person))
    w.file(f"{roaming}/Microsoft/Office/Recent/index.dat", b"[misc]\r\n", w.lately(person))


def caches(w, person):
    m, rng = w.m, w.rng
    cache, temp = m.place(person, "Cache"), m.place(person, "Local AppData").rpartition("/")[0] + "/Temp" if m.xp else m.place(person, "Local AppData") + "/Temp"
    for i in range(6 if m.kind == "sample" else 60):
        w.file(f"{cache}/IE/{'QWXZ0123'[i % 8] * 8}/page[{i}].htm", text(rng, 300 + 11 * i), w.lately(person))
        w.file(f"{temp}/~DF{i:04X}.tmp", rng.randbytes(100 + i), w.lately(person))


def oddities(w, person):
    """One of each thing NTFS can hold that a copier may get wrong; all of it in the first person's documents."""
    m, rng = w.m, w.rng
    base = f"{m.place(person, 'Personal')}/Oddities"
    w.folder(base)
    small = m.kind == "sample"
    w.folder(f"{base}/Compressed", attributes=nt.COMPRESSED)
    w.file(f"{base}/Compressed/log.txt", b"2018-11-05 12:00:00 nothing happened\r\n" * 4000, w.lately(person))
    w.file(f"{base}/Compressed/mixed.bin", text(rng, 70_000) + rng.randbytes(70_000) + bytes(70_000), w.lately(person))
    w.file(f"{base}/Compressed/small.txt", b"resident\r\n", w.lately(person))
    megabytes = 8 if small else 64
    w.file(f"{base}/sparse.img", None, w.lately(person), size=megabytes << 20,
           pieces=[(0, text(rng, 4096)), (megabytes << 19, rng.randbytes(10_000)), ((megabytes << 20) - 5000, text(rng, 5000))])  # fmt: skip
    w.file(f"{base}/sparse end.img", b"start", w.lately(person), size=1 << 20)
    w.file(f"{base}/streams.txt", b"main\r\n", w.lately(person), streams={"empty": b"", "large": rng.randbytes(40_000 if small else 300_000), "ünïcode": b"x"})
    w.file(f"{base}/only stream.txt", b"", w.lately(person), streams={"data": b"nothing in the main stream"})
    w.folder(f"{base}/folder with stream", streams={"note": b"folders can have them too"})
    w.file(f"{base}/linked once.txt", b"one file, two names\r\n" * 50, w.lately(person))
    w.tree.link(f"{base}/linked twice.txt", f"{base}/linked once.txt")
    w.file(f"{base}/fragmented.log", journal(rng, (300 if small else 1500) * 4096), w.lately(person), scattered=True)
    home = m.home(person, True)
    if not m.xp:
        w.file(f"{base}/link to notes.txt", b"", w.lately(person), reparse=nt.symlink(f"{home}\\Desktop\\Notes.txt"))
        w.file(f"{base}/relative link.txt", b"", w.lately(person), reparse=nt.symlink("..\\empty.txt", relative=True))
        w.file(
            f"{base}/OneDrive/Only in the cloud.docx", None, w.lately(person), size=1_234_567, pieces=[],
            attributes=nt.ARCHIVE | nt.OFFLINE, reparse=nt.cloud_placeholder(rng.randbytes(40)),
        )  # fmt: skip
    w.folder(f"{base}/junction", reparse=nt.junction(f"{home}\\Desktop"))
    w.folder(f"{base}/loop", reparse=nt.junction(home))
    long = f"{base}/" + "/".join(f"A long folder name, number {i}, as people make them" for i in range(6))
    w.file(f"{long}/deep.txt", b"over 260 characters\r\n", w.lately(person))
    # Names only a POSIX program can make; Windows lists them but cannot open them.
    for name in ("NUL", "trailing dot.", "trailing space ", "a?b", "lone \ud83d surrogate.txt", "Case.txt", "case.TXT"):
        w.tree.file(f"{base}/posix/{name}", name.encode("utf-8", "surrogatepass"), w.lately(person))
    w.file(f"{base}/" + "n" * 251 + ".txt", b"255 characters\r\n", w.lately(person), short="NNNNNN~1.TXT")
    w.file(f"{base}/emoji 😀 name.txt", b"a surrogate pair\r\n", w.lately(person))


def root_files(w):
    m = w.m
    w.file("pagefile.sys", None, w.at(m.now - nt.DAY), size=4 << 20, pieces=[(0, bytes(4096))], attributes=nt.HIDDEN | nt.SYSTEM | nt.ARCHIVE)
    # A zero header says: woken, not hibernated.
    w.file("hiberfil.sys", bytes(8192), w.at(m.now - nt.DAY), attributes=nt.HIDDEN | nt.SYSTEM | nt.ARCHIVE)
    bin_ = "RECYCLER" if m.xp else "$Recycle.Bin"
    w.folder(bin_, attributes=nt.HIDDEN | nt.SYSTEM)
    for person in m.people[:2]:
        folder = f"{bin_}/{person.sid}"
        w.tree.owned(folder, owner_of(m, person))
        w.folder(folder, attributes=nt.HIDDEN | nt.SYSTEM)
        w.file(f"{folder}/" + ("Dc1.txt" if m.xp else "$R4K2LQZ.txt"), b"thrown away\r\n", w.lately(person))
    if m.xp:
        w.file("boot.ini", b"[boot loader]\r\ntimeout=30\r\ndefault=multi(0)disk(0)rdisk(0)partition(1)\\WINDOWS\r\n", attributes=nt.HIDDEN | nt.SYSTEM)
        w.file("ntldr", w.rng.randbytes(3000), attributes=nt.HIDDEN | nt.SYSTEM | nt.READONLY)
    w.folder("System Volume Information", attributes=nt.HIDDEN | nt.SYSTEM)
    w.file("Data/Project Alpha/plan.txt", text(w.rng, 3000))


def windows_old(w):
    """What an upgrade leaves: an older Windows, whole, that must not be taken for the one in use."""
    m, old = w.m, machine.machine("vista", w.m.seed, None)
    anna = old.people[0]
    base, home = "Windows.old/Windows", f"Windows.old/{old.home(anna)}"
    w.file(f"{base}/explorer.exe", pe.file("Windows Explorer", "explorer.exe", (6, 0, 6002, 18005), True))
    w.file(f"{base}/System32/ntoskrnl.exe", pe.file("NT Kernel & System", "ntoskrnl.exe", (6, 0, 6002, 18005), True))
    config = f"{base}/System32/config"
    w.tree.owned(config, HIVE_OWNER)
    for name, root in (("SOFTWARE", hives.software(old)), ("SYSTEM", hives.system(old)), ("SAM", hives.sam(old)), ("SECURITY", hives.security(old))):
        w.hive(f"{config}/{name}", root, HIVE_MINOR, f"\\SystemRoot\\System32\\Config\\{name}", w.at(m.installed))
    w.tree.owned(home, owner_of(old, anna))
    w.hive(f"{home}/NTUSER.DAT", hives.user(old, anna), 3, "\\??\\" + old.home(anna, True) + "\\NTUSER.DAT", w.at(m.installed))
    w.hive(f"{home}/AppData/Local/Microsoft/Windows/UsrClass.dat", hives.classes(old, anna), 3, "\\??\\C:\\Users\\anna\\UsrClass.dat", w.at(m.installed))
    w.file(f"{home}/Documents/from Vista.txt", text(w.rng, 2000))
    w.file(f"{home}/Desktop/Notes.txt", b"of the old Windows\r\n")
    w.file("Windows.old/Users/Public/Documents/shared.txt", text(w.rng, 500))
