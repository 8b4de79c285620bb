"""Who and what an old computer was: its Windows, its users, where their folders are. The hives and the files both follow it."""

import random
from dataclasses import dataclass, field

import nt

ENGLISH = {
    "Desktop": "Desktop", "Personal": "Documents", "My Pictures": "Pictures", "My Music": "Music", "My Video": "Videos",
    "{374DE290-123F-4565-9164-39C4925E467B}": "Downloads", "Favorites": "Favorites", "AppData": "AppData/Roaming",
    "Local AppData": "AppData/Local", "Start Menu": "AppData/Roaming/Microsoft/Windows/Start Menu",
    "SendTo": "AppData/Roaming/Microsoft/Windows/SendTo", "Recent": "AppData/Roaming/Microsoft/Windows/Recent",
    "Templates": "AppData/Roaming/Microsoft/Windows/Templates", "Cookies": "AppData/Local/Microsoft/Windows/INetCookies",
    "Cache": "AppData/Local/Microsoft/Windows/INetCache", "History": "AppData/Local/Microsoft/Windows/History",
    "NetHood": "AppData/Roaming/Microsoft/Windows/Network Shortcuts",
    "PrintHood": "AppData/Roaming/Microsoft/Windows/Printer Shortcuts",
}  # fmt: skip
GERMAN_XP = {
    "Desktop": "Desktop", "Personal": "Eigene Dateien", "My Pictures": "Eigene Dateien/Eigene Bilder",
    "My Music": "Eigene Dateien/Eigene Musik", "My Video": "Eigene Dateien/Eigene Videos", "Favorites": "Favoriten",
    "AppData": "Anwendungsdaten", "Local AppData": "Lokale Einstellungen/Anwendungsdaten", "Start Menu": "Startmenü",
    "SendTo": "SendTo", "Recent": "Recent", "Templates": "Vorlagen", "Cookies": "Cookies",
    "Cache": "Lokale Einstellungen/Temporary Internet Files", "History": "Lokale Einstellungen/Verlauf",
    "NetHood": "Netzwerkumgebung", "PrintHood": "Druckumgebung", "Local Settings": "Lokale Einstellungen",
}  # fmt: skip


@dataclass
class Person:
    """One profile. `kind` is local, domain, entra, unknown (a SID nobody can name), orphan or missing (no folder)."""

    name: str
    kind: str
    last_use: int
    full_name: str = ""
    rid: int = 0
    sid: str = ""
    folder: str = ""
    administrator: bool = False
    redirected: str = None  # a share that holds the documents instead of the profile
    onedrive: str = None  # the folder of the profile in which OneDrive keeps desktop, documents and pictures
    unsaved: bool = False  # the computer went off before the last changes of NTUSER.DAT were in it: they are in its log

    def __post_init__(self):
        self.folder = self.folder or self.name


@dataclass
class Machine:
    kind: str
    seed: int
    computer: str
    installed: int
    now: int
    product: str
    version: str
    build: int
    edition: str
    language: int  # LANGID
    time_zone: tuple  # key name, bias in minutes
    architecture: str
    users_folder: str
    folders: dict
    people: list
    domain: str = "CONTOSO"
    dns_domain: str = "contoso.example"
    programs: str = "Program Files"
    disk: str = None  # None, "mbr", "gpt"
    hidden_sectors: int = 2048
    windows_old: bool = False
    bak_twin: bool = False
    rng: random.Random = field(init=False)

    def __post_init__(self):
        self.rng = random.Random(f"coldstate {self.kind} {self.seed}")
        below = lambda: self.rng.randrange(1 << 28, 1 << 32)  # noqa: E731
        self.sid = f"S-1-5-21-{below()}-{below()}-{below()}"
        self.domain_sid = f"S-1-5-21-{below()}-{below()}-{below()}"
        self.disk_signature, self.serial = below(), self.rng.getrandbits(64)
        self.partition_guid, self.disk_guid = nt.guid(self.rng), nt.guid(self.rng)
        for person in self.people:
            authority = {"local": self.sid, "domain": self.domain_sid, "missing": self.domain_sid, "orphan": self.sid}.get(person.kind)
            if person.kind == "entra":
                person.sid = "S-1-12-1-" + "-".join(str(below()) for _ in range(4))
            elif person.kind == "unknown":
                person.sid = f"S-1-5-21-{below()}-{below()}-{below()}-{person.rid}"
            else:
                person.sid = f"{authority}-{person.rid}"

    @property
    def xp(self):
        return self.version == "5.1"

    @property
    def target(self):
        """Whether it is a new Windows, to inject into."""
        return self.kind.startswith("win11")

    def home(self, person, backslash=False):
        path = f"{self.users_folder}/{person.folder}"
        return "C:\\" + path.replace("/", "\\") if backslash else path

    def environment_home(self, person):
        drive = "%SystemDrive%" if not self.bak_twin or person.kind == "local" else "C:"
        return f"{drive}\\{self.users_folder}\\{person.folder}".replace("/", "\\")

    def folder(self, person, name):
        """The folder of a known-folder name, below the profile."""
        moved = person.onedrive and name in ("Desktop", "Personal", "My Pictures")
        return f"{person.onedrive}/{self.folders[name]}" if moved else self.folders[name]

    def place(self, person, name):
        """The folder of a known-folder name, below the volume's root."""
        return f"{self.home(person)}/{self.folder(person, name)}"


def _days(now, days):
    return now - int(days * nt.DAY) + 1234567  # never a whole second


def machine(kind, seed, disk):
    now = {"winxp": nt.filetime(2010, 3, 4, 16, 20), "win7": nt.filetime(2018, 11, 6, 8, 15), "bench": nt.filetime(2021, 6, 30, 17, 5)}.get(
        kind, nt.filetime(2022, 9, 14, 18, 42)
    )
    local = lambda name, rid, days, **more: Person(name, "local", _days(now, days), rid=rid, **more)  # noqa: E731
    common = dict(kind=kind, seed=seed, now=now, disk=disk, installed=_days(now, 900), users_folder="Users", folders=ENGLISH)
    ten = dict(
        common, product="Windows 10 Pro", version="6.3", build=19044, edition="Professional", architecture="AMD64",
        language=0x0409, time_zone=("W. Europe Standard Time", -60),
    )  # fmt: skip
    anna = local("anna", 1001, 0.2, full_name="Anna Keller")
    admin = local("itadmin", 1002, 41, full_name="IT Administrator", administrator=True, unsaved=kind == "win10")
    domain = Person("jsmith", "domain", _days(now, 1.5), "John Smith", 1107)
    gone = Person("pmiller", "missing", _days(now, 700), "Paul Miller", 1320)
    lost = Person("former", "unknown", _days(now, 1100), rid=1188)
    orphan = Person("oldtemp", "orphan", _days(now, 500), rid=1009)
    if kind == "sample":
        return Machine(computer="OLDPC-07", people=[anna, domain, orphan], **ten)
    if kind == "win10":
        entra = Person("MariaGarcía", "entra", _days(now, 3), "María García", onedrive="OneDrive - Contoso")
        return Machine(computer="DESKTOP-4F2K9", people=[anna, admin, domain, entra, gone, lost, orphan], **ten)
    if kind == "bench":
        return Machine(
            computer="BENCH-01",
            people=[anna, admin, domain, Person("lchen.CONTOSO", "domain", _days(now, 12), "Li Chen", 1115)],
            **ten,
        )
    if kind.startswith("win11"):
        anna.last_use = _days(now, 0.1)
        people = [anna] if kind == "win11used" else []
        return Machine(computer="NEWPC-11", people=people, **dict(ten, product="Windows 10 Pro", build=22621, installed=_days(now, 0.5)))
    if kind == "vista":  # only as the Windows.old of win7
        return Machine(
            computer="VISTA-ACCT", people=[anna, gone],
            **dict(ten, product="Windows Vista (TM) Business", version="6.0", build=6002, edition="Business", time_zone=("Eastern Standard Time", 300)),
        )  # fmt: skip
    if kind == "win7":
        domain.redirected = "\\\\files.contoso.example\\home$\\jsmith\\Documents"
        return Machine(
            computer="WIN7-ACCT", people=[anna, admin, domain, gone, lost, orphan], bak_twin=True, windows_old=True,
            **dict(ten, product="Windows 7 Professional", version="6.1", build=7601, time_zone=("Eastern Standard Time", 300)),
        )  # fmt: skip
    if kind == "winxp":
        anna.name = anna.folder = "Käthe Müller"
        anna.full_name = "Käthe Müller"
        domain.folder = "jsmith.CONTOSO"
        return Machine(
            computer="XP-BUERO", people=[anna, admin, domain, gone, lost, orphan], programs="Programme",
            hidden_sectors=63 if disk == "mbr" else 2048,
            **dict(
                ten, product="Microsoft Windows XP", version="5.1", build=2600, edition="", architecture="x86", language=0x0407,
                users_folder="Documents and Settings", folders=GERMAN_XP,
            ),
        )  # fmt: skip
    raise ValueError(kind)
