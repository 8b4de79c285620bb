"""The programs on the win7, winxp and win10 kinds, as their registry keys and files tell of them.

Among them is one for each way in which rules find a program: by a key, by the version of a file (also `9,0,0,2162` and
`QuickTime 7.7`), in `Wow6432Node`, by a folder's name. And one for each way in which they find its data: known folders, INI files,
the VirtualStore, folders and files named by a value, PST files named in the binary values of a mail profile. Beside what
should travel lie caches and machine state that should not, and traces of programs that are not installed.
"""

import posixpath
import struct

import nt
import pe
from regf import Expand
from volume import text

APP_PATHS = "Microsoft\\Windows\\CurrentVersion\\App Paths\\"
LETTER_SOUND = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0"
SMART_TAG = "Software\\Microsoft\\Office\\Common\\Smart Tag\\Recognizers\\{4FFB3E8B-AE75-48F2-BF13-D0D7E93FA8F9}"
MAIL_SECTION = "13dbb0c8aa05101a9bb000aa002fc45a"  # the service of an Outlook profile that names a PST file


def used_by(m, person):
    """Whether somebody has worked here, and not only set the computer up."""
    return person.kind in ("local", "domain", "entra") and not person.administrator


def default(key, value):
    return key.set_all({"": value})


def unicode_bin(value):
    return (value + "\0").encode("utf-16-le")


def ansi_bin(value):
    return value.encode("cp1252") + b"\0"


class Kind:
    """What one kind has: keys of SOFTWARE and of NTUSER.DAT, files of the machine and of each person."""

    def __init__(self, m):
        self.m = m

    def machine_keys(self, root):
        pass

    def user_keys(self, root, person):
        pass

    def class_keys(self, root, person):
        pass

    def machine_files(self, w):
        pass

    def user_files(self, w, person):
        pass

    # ---- what the kinds share

    def place(self, person, name):
        return "C:\\" + self.m.place(person, name).replace("/", "\\")

    def office(self, root, version, folder, programs):
        for program in ("Common", *programs):
            root.key(f"Microsoft\\Office\\{version}\\{program}\\InstallRoot").set(Path=folder + "\\")

    def program(self, w, path, version, product=None, wide=False):
        """A program file; `product` is its ProductVersion where that is no plain version."""
        name = path.rpartition("/")[2]
        numbers = [int(part) for part in (version + ".0.0.0").split(".")[:4]]
        w.file(path, pe.file(name.rpartition(".")[0], name, numbers, wide, product or version))

    def put(self, w, person, base, files):
        for path, data in files.items():
            w.file(f"{base}/{path}", data, w.lately(person))

    def link(self, folder, target):
        """A shell link in a folder of the volume to a file of it."""
        relative = posixpath.relpath(target, folder).replace("/", "\\")
        return nt.shell_link("C:\\" + target.replace("/", "\\"), relative, not self.m.xp)


class WindowsXp(Kind):
    """2010: Office 2003, Lotus Notes 6.5 with its data below the program, and what people installed themselves."""

    def machine_keys(self, root):
        self.office(root, "11.0", "C:\\Programme\\Microsoft Office\\OFFICE11", ("Word", "Outlook"))
        root.key("Microsoft\\Office\\11.0\\Outlook\\Setup").set(MailSupport=1)
        root.key("Adobe\\Acrobat Reader\\9.0\\Installer").set(Path="C:\\Programme\\Adobe\\Reader 9.0\\")
        default(root.key(APP_PATHS + "winzip32.exe"), "C:\\Programme\\WinZip\\WINZIP32.EXE")
        root.key("Nico Mak Computing\\WinZip\\WinIni").set(win32_version="6.3-10.0")
        default(root.key("Classes\\CLSID\\{E5D12C4E-7B4F-11D3-B5C9-0050045C3C96}\\LocalServer32"), "C:\\Programme\\Yahoo!\\Messenger\\YahooMessenger.exe")
        root.key("Yahoo\\Essentials").set(MainDir="C:\\Programme\\Yahoo!")
        root.key("Mozilla\\Mozilla Firefox 3.6.3\\bin").set(PathToExe="C:\\Programme\\Mozilla Firefox\\firefox.exe")
        root.key("Skype\\Phone").set(SkypePath="C:\\Programme\\Skype\\Phone\\Skype.exe")
        root.key(APP_PATHS + "RealPlay.exe").set(Path="C:\\Programme\\Real\\RealPlayer")
        root.key("Netscape\\Netscape Navigator\\Opera\\main").set_all({"Install Directory": "C:\\Programme\\Opera"})
        # Too new for the rules of its time, which know iTunes 6 to 8.
        default(root.key(APP_PATHS + "ITunes.exe"), "C:\\Programme\\iTunes\\iTunes.exe")

    def machine_files(self, w):
        for path, version, product in (
            ("Microsoft Office/OFFICE11/WINWORD.EXE", "11.0.8169.0", None), ("Microsoft Office/OFFICE11/OUTLOOK.EXE", "11.0.8010.0", None),
            ("Lotus/Notes/notes.exe", "6.5.5.5334", None), ("Adobe/Reader 9.0/Reader/AcroRd32.exe", "9.3.0.148", None),
            ("WinZip/WINZIP32.EXE", "10.0.7245.0", None), ("Yahoo!/Messenger/YahooMessenger.exe", "9.0.0.2162", "9,0,0,2162"),
            ("Skype/Phone/Skype.exe", "3.8.0.188", None), ("Real/RealPlayer/realplay.exe", "11.0.0.614", None),
            ("Opera/opera.exe", "9.64.10487.0", "9.64"), ("Google/Google Talk/googletalk.exe", "1.0.0.104", "1,0,0,104"),
            ("iTunes/iTunes.exe", "9.0.3.15", None),
        ):  # fmt: skip
            self.program(w, f"Programme/{path}", version, product)
        for path, data in {
            "Lotus/Notes/notes.ini": b"[Notes]\r\nKitType=1\r\nMailType=0\r\nLocation=Buero,9AE,CN=Kaethe\r\nViewImp1=Lotus\r\nDirectory=C:\\Programme\\Lotus\\Notes\\Data\r\n",
            "Lotus/Notes/formats.ini": b"[Formats]\r\nDate=dd.MM.yyyy\r\n",
            "Lotus/Notes/Data/names.nsf": text(w.rng, 3000),
            "Lotus/Notes/Data/user.id": text(w.rng, 700),
            "Lotus/Notes/Data/Help/help65_client.nsf": text(w.rng, 3000),
            "Yahoo!/Messenger/skins/default/skin.xml": b"<skin/>\r\n",
            "Yahoo!/Messenger/local/local.xml": b"<local/>\r\n",
            "Gemeinsame Dateien/Real/Visualizations/Fire.rjv": text(w.rng, 900),
        }.items():
            w.file(f"Programme/{path}", data)
        w.file("Mail/Archiv 2007.pst", b"!BDN" + text(w.rng, 60_000))
        w.file("Mail/Adressbuch.pab", text(w.rng, 4000))
        w.file("Mail/unbenutzt.pst", b"!BDN" + text(w.rng, 4000))
        w.file("Data/Fachwörter.dic", "\ufeffStraßenfräse\r\n".encode("utf-16-le"))
        w.file("Data/Klänge/online.wav", LETTER_SOUND)

    def user_keys(self, root, person):
        office = root.key("Software\\Microsoft\\Office\\11.0")
        office.key("Common\\General").set(UserTemplates=self.place(person, "AppData") + "\\Microsoft\\Vorlagen")
        office.key("Word\\Options").set_all({"DOC-PATH": self.place(person, "Personal"), "PROGRAMDIR": "C:\\Programme\\Microsoft Office\\OFFICE11\\"})
        office.key("Word\\Data").set(Settings=bytes(64))
        office.key("Outlook").set_all({"FirstRunDialog": "False", "Machine Name": "XP-BUERO"})
        office.key("Outlook\\Preferences").set(EmptyTrash=1)
        root.key(SMART_TAG).set(Enabled=1)
        root.key("Software\\Microsoft\\Shared Tools\\Proofing Tools\\Custom Dictionaries").set_all({"1": "BENUTZER.DIC", "2": "C:\\Data\\Fachwörter.dic"})
        profile = root.key("Software\\Microsoft\\Windows NT\\CurrentVersion\\Windows Messaging Subsystem\\Profiles\\Outlook")
        # Outlook 2003 keeps the path of an older PST file in the ANSI properties.
        profile.key(MAIL_SECTION).set_all({"001e6700": ansi_bin("C:\\Mail\\Archiv 2007.pst"), "001e3001": ansi_bin("Archiv"), "01020fff": bytes(24)})
        profile.key("dca740c8c042101ab4b908002b2fe182").set_all({"001e6600": ansi_bin("C:\\Mail\\Adressbuch.pab")})
        notes = root.key("Software\\Lotus\\Notes\\Installer")
        notes.set(PROGDIR="C:\\Programme\\Lotus\\Notes", DATADIR="C:\\Programme\\Lotus\\Notes\\Data", USENOTESFOREMAIL="1")
        reader = root.key("Software\\Adobe\\Acrobat Reader\\9.0")
        reader.key("Originals").set(bOpenInPlace=0, iDefaultZoomType=2)
        reader.key("InstallPath").set_all({"": "C:\\Programme\\Adobe\\Reader 9.0\\Reader"})
        zip_ = root.key("Software\\Nico Mak Computing\\WinZip")
        zip_.key("WinZip").set(AlwaysOnTop="1", Main="0,0,640,480")
        zip_.key("directories").set(zDefDir=self.place(person, "Personal"))
        pager = root.key("Software\\Yahoo\\Pager")
        pager.set_all({"Yahoo! User ID": "kaethe.m", "IPLookup": "192.0.2.17"})
        pager.key("skins").set(Default_SkinDir="C:\\Programme\\Yahoo!\\Messenger\\skins\\default")
        pager.key("Alerts").set_all({"Online Sound Name": "C:\\Data\\Klänge\\online.wav"})
        skype = root.key("Software\\Skype")
        skype.key("Phone\\UI\\General").set(Language="de")
        skype.key("PluginManager").set_all({"Plugins Root": "C:\\Programme\\Skype\\Plugin Manager", "Enabled": "1"})
        root.key("Software\\RealNetworks\\RealPlayer\\6.0\\Preferences\\AutosizeVideo").set_all({"": "1"})
        root.key("Software\\RealNetworks\\RealPlayer\\6.0\\Preferences\\Language").set_all({"": "de"})
        talk = root.key("Software\\Google\\Google Talk")
        talk.key("Options").set(show_pin=1)
        talk.key("Autoupdate").set(last=17)
        # Of programs that are no longer there.
        root.key("Software\\America Online\\AIM6").set(Passport="x")
        root.key("Software\\Apple Computer, Inc.\\iTunes").set(Volume=70)

    def user_files(self, w, person):
        m = self.m
        roaming, local = m.place(person, "AppData"), m.place(person, "Local AppData")
        self.put(w, person, f"{roaming}/Microsoft", {
            "Templates/Normal.dot": text(w.rng, 3000), "Office/Word11.pip": b"\1\0", "Office/Recent/Budget.LNK": self.link(roaming + "/Microsoft/Office/Recent", m.place(person, "Personal") + "/Budget.xls"),
            "Outlook/outlook.NK2": text(w.rng, 600), "Outlook/outcmd.dat": text(w.rng, 400), "Outlook/extend.dat": text(w.rng, 200),
            "Proof/BENUTZER.DIC": "\ufeffZeiterfassung\r\n".encode("utf-16-le"), "Stationery/Briefkopf.htm": b"<p>Contoso</p>\r\n",
        })  # fmt: skip
        self.put(w, person, f"{roaming}/Adobe/Acrobat/9.0", {"UserCache.bin": text(w.rng, 400)})
        self.put(w, person, f"{roaming}/Mozilla/Firefox", {
            "Profiles/k3x9.default/pluginreg.dat": text(w.rng, 300), "Crash Reports/InstallTime20100315083431": b"1268638471",
        })  # fmt: skip
        self.put(w, person, f"{local}/Mozilla/Firefox/Profiles/k3x9.default", {"urlclassifier3.sqlite": text(w.rng, 900), "Cache/_CACHE_001_": w.rng.randbytes(900)})
        self.put(w, person, f"{roaming}/Skype", {"kaethe.m/config.xml": b"<config/>\r\n"})
        self.put(w, person, f"{roaming}/Opera/Opera/profile", {
            "opera6.ini": b"[User Prefs]\r\nHome URL=http://intranet.contoso.example/\r\n[Install]\r\nNewest Used Version=9.64\r\n", "opera6.adr": b"Opera Hotlist version 2.0\r\n",
        })  # fmt: skip
        self.put(w, person, f"{local}/Opera/Opera/profile", {"cache4/opr00001": text(w.rng, 500), "vps/0000/w.axx": text(w.rng, 300)})
        self.put(w, person, f"{roaming}/Real/RealPlayer", {"History/Radio.lnk": self.link(roaming + "/Real/RealPlayer/History", m.place(person, "My Music") + "/Radio.ram")})
        self.put(w, person, f"{local}/Google/Google Talk", {"avatars/0.avatar": text(w.rng, 300), "updater.log": b"checked\r\n"})
        if person.kind == "local":  # Chrome was then installed by each person for himself
            self.program(w, f"{local}/Google/Chrome/Application/chrome.exe", "1.0.154.53")
            self.program(w, f"{local}/Google/Chrome/Application/1.0.154.53/chrome.dll", "1.0.154.53")


class Windows7(Kind):
    """2018: 32-bit programs on a 64-bit Windows, some of which write below Program Files and are led to the VirtualStore."""

    WOW = "C:\\Program Files (x86)"

    def machine_keys(self, root):
        wow = root.key("Wow6432Node")
        self.office(wow, "14.0", f"{self.WOW}\\Microsoft Office\\Office14", ("Word", "Excel", "Outlook"))
        wow.key("Adobe\\Acrobat Reader\\9.0\\Installer").set(Path=f"{self.WOW}\\Adobe\\Reader 9.0\\")
        default(wow.key(APP_PATHS + "ITunes.exe"), f"{self.WOW}\\iTunes\\iTunes.exe")
        default(wow.key(APP_PATHS + "QuickTimePlayer.exe"), f"{self.WOW}\\QuickTime\\QuickTimePlayer.exe")
        wow.key("Apple Computer, Inc.\\QuickTime\\SystemPreferences").set(FolderPath=" C:\\ProgramData\\Apple Computer\\QuickTime\\")
        wow.key("Apple Computer, Inc.\\QuickTime\\Recent Movies").set(Movie1="C:\\Users\\Public\\Videos\\fire drill.mov")
        wow.key("Apple Computer, Inc.\\Safari").set(InstallDir=f"{self.WOW}\\Safari")
        wow.key("Mozilla\\Mozilla Firefox 3.6.28\\bin").set(PathToExe=f"{self.WOW}\\Mozilla Firefox\\firefox.exe")
        wow.key("Mozilla\\Mozilla Firefox\\3.6.28 (en-US)\\Main").set(PathToExe=f"{self.WOW}\\Mozilla Firefox\\firefox.exe")
        wow.key("Google\\Update").set(path=f"{self.WOW}\\Google\\Update\\GoogleUpdate.exe")
        wow.key(APP_PATHS + "RealPlay.exe").set(Path=f"{self.WOW}\\Real\\RealPlayer")
        # In the 64-bit half, where the rules for a 32-bit Skype do not look.
        root.key("Skype\\Phone").set(SkypePath=f"{self.WOW}\\Skype\\Phone\\Skype.exe")

    def machine_files(self, w):
        for path, version, product in (
            ("Microsoft Office/Office14/WINWORD.EXE", "14.0.7015.1000", None), ("Microsoft Office/Office14/EXCEL.EXE", "14.0.7015.1000", None),
            ("Microsoft Office/Office14/OUTLOOK.EXE", "14.0.7015.1000", None), ("Adobe/Reader 9.0/Reader/AcroRd32.exe", "9.5.5.316", None),
            ("iTunes/iTunes.exe", "8.2.1.6", None), ("QuickTime/QuickTimePlayer.exe", "7.79.80.95", "QuickTime 7.7.9"),
            ("Safari/Safari.exe", "4.31.22.7", "4.0.5 (531.22.7)"), ("Real/RealPlayer/realplay.exe", "11.1.0.1014", None),
            ("Lotus/Notes/notes.exe", "8.5.3.11258", None), ("Skype/Phone/Skype.exe", "3.8.0.188", None),
        ):  # fmt: skip
            self.program(w, f"Program Files (x86)/{path}", version, product)
        w.file("ProgramData/Apple Computer/QuickTime/QuickTime.qtp", text(w.rng, 500))
        w.file("Data/Mail/archive 2016.pst", b"!BDN" + text(w.rng, 60_000))
        w.file("Data/Mail/unused.pst", b"!BDN" + text(w.rng, 4000))
        w.file("Data/terms.dic", "\ufeffaccrual\r\n".encode("utf-16-le"))

    def user_keys(self, root, person):
        office = root.key("Software\\Microsoft\\Office\\14.0")
        office.key("Common\\General").set(Templates="Templates", SharedTemplates="\\\\files.contoso.example\\templates")
        office.key("Word\\Options").set_all({"DOC-PATH": self.place(person, "Personal"), "PROGRAMDIR": f"{self.WOW}\\Microsoft Office\\Office14\\"})
        office.key("Excel\\Options").set(DefaultPath=self.place(person, "Personal"))
        office.key("Outlook\\Preferences").set(EmptyTrash=1)
        office.key("Access\\Settings").set(Left=1)  # Access itself is not installed
        root.key("Software\\Microsoft\\Office\\11.0\\Word\\Options").set_all({"DOC-PATH": "C:\\Old"})  # left by an upgrade
        root.key("Software\\Microsoft\\Shared Tools\\Proofing Tools\\1.0\\Custom Dictionaries").set_all({"1": "CUSTOM.DIC", "2": "C:\\Data\\terms.dic"})
        profile = root.key("Software\\Microsoft\\Windows NT\\CurrentVersion\\Windows Messaging Subsystem\\Profiles\\Outlook")
        profile.key(MAIL_SECTION).set_all({"001f6700": unicode_bin("C:\\Data\\Mail\\archive 2016.pst"), "001f3001": unicode_bin("Archive"), "01020fff": bytes(24)})
        root.key("Software\\Lotus\\Notes\\Installer").set(
            PROGDIR=f"{self.WOW}\\Lotus\\Notes", DATADIR=self.place(person, "Local AppData") + "\\Lotus\\Notes\\Data", USENOTESFOREMAIL="0"
        )
        reader = root.key("Software\\Adobe\\Acrobat Reader\\9.0")
        reader.key("Originals").set(bOpenInPlace=1)
        reader.key("Installer").set_all({"ENU_GUID": "{AC76BA86-7AD7-1033-7B44-A95000000001}"})
        root.key("Software\\Apple Computer, Inc.\\iTunes").set(Volume=70)
        root.key("Software\\Apple Computer, Inc.\\QuickTime\\LocalUserPreferences").set(FolderPath=f" {self.place(person, 'Local AppData')}Low\\Apple Computer\\QuickTime\\")
        root.key("Software\\RealNetworks\\RealPlayer\\6.0\\Preferences\\AutosizeVideo").set_all({"": "1"})
        root.key("Software\\Skype\\Phone\\UI\\General").set(Language="en")

    def class_keys(self, root, person):
        movies = root.key("VirtualStore\\MACHINE\\SOFTWARE\\Wow6432Node\\Contoso\\Timesheet")
        movies.set(LastMonth="2018-10")

    def user_files(self, w, person):
        m = self.m
        roaming, local = m.place(person, "AppData"), m.place(person, "Local AppData")
        self.put(w, person, f"{roaming}/Microsoft", {
            "Templates/Normal.dotm": text(w.rng, 3000), "Office/Word14.customUI": b"<customUI/>\r\n", "Outlook/outlook.srs": text(w.rng, 400),
            "Proof/note.txt": b"old place of dictionaries\r\n", "UProof/CUSTOM.DIC": "\ufeffContoso\r\n".encode("utf-16-le"),
            "QuickStyles/Contoso.dotx": text(w.rng, 400), "Document Building Blocks/1033/14/Built-In Building Blocks.dotx": text(w.rng, 700),
        })  # fmt: skip
        self.put(w, person, f"{local}/Microsoft/Outlook", {"mailbox.ost": text(w.rng, 9000), "RoamCache/Stream_Calendar.dat": text(w.rng, 200)})
        self.put(w, person, f"{roaming}/Adobe/Acrobat/9.0", {"UserCache.bin": text(w.rng, 400)})
        self.put(w, person, f"{roaming}/Apple Computer", {
            "iTunes/iTunesPrefs.xml": b"<plist/>\r\n", "Safari/Bookmarks.plist": b"bplist00", "Preferences/com.apple.Safari.plist": b"bplist00",
            "Preferences/com.apple.iTunes.plist": b"bplist00",
        })  # fmt: skip
        self.put(w, person, f"{local}/Apple Computer", {
            "iTunes/iPodDevices.xml": b"<plist/>\r\n", "iTunes/Artwork/cover.itc": text(w.rng, 300), "Safari/Cache.db": text(w.rng, 900), "Safari/WebpageIcons.db": text(w.rng, 300),
            "QuickTime/QTPlayerSession.xml": b"<plist/>\r\n",
        })  # fmt: skip
        self.put(w, person, f"{local}Low/Apple Computer/QuickTime", {"QuickTime.qtp": text(w.rng, 300)})
        self.put(w, person, f"{local}/VirtualStore/Program Files (x86)/Common Files/Real/Visualizations", {"Fire.rjv": text(w.rng, 900)})
        self.put(w, person, f"{local}/VirtualStore/Program Files (x86)/Contoso/Timesheet", {"timesheet.ini": b"[user]\r\nweek=44\r\n"})
        self.put(w, person, f"{local}/Lotus/Notes/Data", {
            "names.nsf": text(w.rng, 3000), "user.id": text(w.rng, 700), "cache.ndk": text(w.rng, 900), "workspace/.config/org.eclipse.ini": b"x=1\r\n",
            "workspace/logs/trace.xml": b"<log/>\r\n", "notes.ini": b"[Notes]\r\nKitType=1\r\nMailFile=mail\\jsmith.nsf\r\n",
        })  # fmt: skip
        self.put(w, person, f"{local}/Mozilla/Firefox/Profiles/k3x9.default", {"urlclassifier3.sqlite": text(w.rng, 900), "Cache/_CACHE_001_": w.rng.randbytes(900)})
        self.put(w, person, f"{roaming}/Mozilla/Firefox", {"Profiles/k3x9.default/pluginreg.dat": text(w.rng, 300), "Crash Reports/InstallTime20120315": b"1331805871"})


class Windows10(Kind):
    """2022: 64-bit Office 16, several browsers and tools, and the settings of Windows that people miss when they are gone."""

    OFFICE = "C:\\Program Files\\Microsoft Office\\root\\Office16"
    WIRELESS = "{5F1C2E0A-7D3B-4E57-9C1A-2B6D8E4F0A11}"
    CERTIFICATE = "5A6B1C2D3E4F5061728394A5B6C7D8E9F0A1B2C3"

    def machine_keys(self, root):
        self.office(root, "16.0", self.OFFICE, ("Word", "Excel", "Outlook", "OneNote", "PowerPoint"))
        office = root.key("Microsoft\\Office\\ClickToRun\\Configuration")
        office.set(VersionToReport="16.0.14326.21052", Platform="x64", ProductReleaseIds="O365ProPlusRetail", InstallationPath="C:\\Program Files\\Microsoft Office")
        for exe, folder in (
            ("chrome.exe", "Google\\Chrome\\Application"), ("firefox.exe", "Mozilla Firefox"), ("OUTLOOK.EXE", "Microsoft Office\\root\\Office16"),
            ("thunderbird.exe", "Mozilla Thunderbird"), ("KeePass.exe", "KeePass Password Safe 2"),
        ):  # fmt: skip
            default(root.key(APP_PATHS + exe), f"C:\\Program Files\\{folder}\\{exe}")
        default(root.key(APP_PATHS + "msedge.exe"), "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe")
        root.key("VideoLAN\\VLC").set(Version="3.0.17", InstallDir="C:\\Program Files\\VideoLAN\\VLC")
        root.key("Wow6432Node\\FileZilla Client").set_all({"": "C:\\Program Files\\FileZilla FTP Client", "Version": "3.60.2"})
        root.key("Wow6432Node\\SAP\\SAP Shared").set(SAPdestdir="C:\\Program Files (x86)\\SAP\\FrontEnd\\SAPgui")
        root.key("ODBC\\ODBC.INI\\ODBC Data Sources").set_all({"Stock": "SQL Server"})
        root.key("ODBC\\ODBC.INI\\Stock").set(Driver="C:\\Windows\\system32\\SQLSRV32.dll", Server="sql01", Database="stock")
        where = root.key("Microsoft\\Windows\\CurrentVersion\\Telephony\\Locations")
        where.set(CurrentID=1, NextID=2)
        where.key("Location1").set(Name="Office", AreaCode="030", Country=49, OutsideAccess="0", Flags=1)
        root.key("Microsoft\\Windows\\CurrentVersion\\NetCache").set(Enabled=1, DatabaseLocation=Expand("%SystemRoot%\\CSC"))
        task = root.key("Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache")
        task.key("Tree\\Contoso\\Backup").set(Id="{9B0C7B52-5A0E-4A6E-8B29-2F1D0C9E4D10}", Index=3)
        task.key("Tasks\\{9B0C7B52-5A0E-4A6E-8B29-2F1D0C9E4D10}").set(Path="\\Contoso\\Backup", Hash=bytes(32))

    def machine_files(self, w):
        for path, version in (
            ("Microsoft Office/root/Office16/WINWORD.EXE", "16.0.14326.21052"), ("Microsoft Office/root/Office16/EXCEL.EXE", "16.0.14326.21052"),
            ("Microsoft Office/root/Office16/OUTLOOK.EXE", "16.0.14326.21052"), ("Microsoft Office/root/Office16/ONENOTE.EXE", "16.0.14326.21052"),
            ("Mozilla Thunderbird/thunderbird.exe", "91.13.0"), ("KeePass Password Safe 2/KeePass.exe", "2.51.1.0"), ("VideoLAN/VLC/vlc.exe", "3.0.17.4"),
            ("FileZilla FTP Client/filezilla.exe", "3.60.2.0"), ("Adobe/Acrobat DC/Acrobat/Acrobat.exe", "22.2.20191.0"),
        ):  # fmt: skip
            self.program(w, f"Program Files/{path}", version, wide=True)
        for path, version in (
            ("Microsoft/Edge/Application/msedge.exe", "105.0.1343.27"), ("WinSCP/WinSCP.exe", "5.21.2.12125"), ("SAP/FrontEnd/SAPgui/saplogon.exe", "7700.1.6.117"),
        ):  # fmt: skip
            self.program(w, f"Program Files (x86)/{path}", version)
        wireless = "<?xml version=\"1.0\"?>\r\n<WLANProfile xmlns=\"http://www.microsoft.com/networking/WLAN/profile/v1\"><name>{0}</name><SSIDConfig><SSID><name>{0}</name></SSID></SSIDConfig><connectionType>ESS</connectionType></WLANProfile>\r\n"
        for number, name in (("{A1B2C3D4-0001-4000-8000-00000000000A}", "Contoso"), ("{A1B2C3D4-0002-4000-8000-00000000000B}", "Café Größe")):
            w.file(f"ProgramData/Microsoft/Wlansvc/Profiles/Interfaces/{self.WIRELESS}/{number}.xml", wireless.format(name).encode())
        person = self.m.people[0]
        task = (
            "\ufeff<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\r\n"
            f"  <Principals><Principal id=\"Author\"><UserId>{person.sid}</UserId></Principal></Principals>\r\n"
            f"  <Actions><Exec><Command>{self.m.home(person, True)}\\backup.cmd</Command></Exec></Actions>\r\n</Task>\r\n"
        )
        w.file("Windows/System32/Tasks/Contoso/Backup", task.encode("utf-16-le"))

    def user_keys(self, root, person):
        m = self.m
        roaming, local, home = self.place(person, "AppData"), self.place(person, "Local AppData"), m.home(person, True)
        office = root.key("Software\\Microsoft\\Office\\16.0")
        office.key("Word\\Options").set_all({"PROGRAMDIR": self.OFFICE + "\\", "LivePreview": 1})
        office.key("Word\\Data").set(SettingsWordStale=bytes(32))
        office.key("Outlook").set(DefaultProfile="Outlook")
        office.key("Outlook\\Setup").set_all({"First-Run": bytes(4)})
        office.key("Common\\Identity").set(Version=1, ADUserName=f"{person.name}@{m.dns_domain}")
        office.key("Common\\General").set(UserTemplates=Expand("%APPDATA%\\Microsoft\\Templates"))
        office.key("Common\\Open Find\\Microsoft Word\\Settings").set(Stale=1)
        office.key("OneNote\\OpenNotebooks").set_all({"1": f"{self.place(person, 'Personal')}\\OneNote Notebooks\\Work"})
        office.key("OneNote\\General").set(CachePath=f"{local}\\Microsoft\\OneNote\\16.0\\cache")
        section = office.key(f"Outlook\\Profiles\\Outlook\\{MAIL_SECTION}")
        section.set_all({"001f6700": unicode_bin("C:\\Data\\Mail\\projects.pst"), "01020fff": bytes(24)})
        root.key("Software\\Microsoft\\Shared Tools\\Proofing Tools\\1.0\\Custom Dictionaries").set_all({"1": "RoamingCustom.dic", "1_state": b"\1"})
        # Reader DC has the key of Reader 9, but not its version.
        root.key("Software\\Adobe\\Acrobat Reader\\DC\\AVGeneral").set(bToolBarDetached=1)
        scp = root.key("Software\\Martin Prikryl\\WinSCP 2")
        scp.key("Sessions\\web%20server").set(HostName="web.contoso.example", UserName=person.name, FSProtocol=5)
        scp.key("Configuration\\Interface").set(CommanderScpExplorer=1)
        root.key("Software\\FileZilla Client").set(Updatecheck="1")
        remote = root.key("Software\\Microsoft\\Terminal Server Client")
        remote.key("Default").set(MRU0="ts01.contoso.example")
        remote.key("Servers\\ts01.contoso.example").set(UsernameHint=f"CONTOSO\\{person.name}", CertHash=bytes(20))
        root.key("Software\\SAP\\SAPLogon\\Options").set(NoEditFunctionality=0, LandscapeFormatEnabled=1)
        root.key("Software\\SAP\\General\\Appearance").set(SelectedTheme=64)
        root.key("Software\\ODBC\\ODBC.INI\\ODBC Data Sources").set_all({"Sales": "SQL Server"})
        root.key("Software\\ODBC\\ODBC.INI\\Sales").set(Driver="C:\\Windows\\system32\\SQLSRV32.dll", Server="sql01", LastUser=person.name)
        fonts = f"{local}\\Microsoft\\Windows\\Fonts"
        root.key("Software\\Microsoft\\Windows NT\\CurrentVersion\\Fonts").set_all({"Contoso Sans (TrueType)": f"{fonts}\\ContosoSans.ttf"})
        internet = root.key("Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings")
        internet.set(ProxyEnable=1, ProxyServer="proxy.contoso.example:8080", ProxyOverride="*.contoso.example;<local>", AutoConfigURL="http://wpad.contoso.example/wpad.dat")
        internet.key("ZoneMap\\Domains\\contoso.example").set(https=1)
        internet.key("5.0\\Cache\\Content").set(CachePrefix="", CacheLimit=256000)
        root.key("Software\\Microsoft\\Internet Explorer\\Main").set_all({"Start Page": "https://intranet.contoso.example/"})
        explorer = root.key("Software\\Microsoft\\Windows\\CurrentVersion\\Explorer")
        explorer.key("StuckRects3").set(Settings=struct.pack("<II", 0x30, 0xFFFFFFFE) + bytes(40))
        explorer.key("Taskband").set(Favorites=bytes(120), FavoritesVersion=3)
        root.key("Software\\Microsoft\\MediaPlayer\\Preferences").set(Volume=60, TrackFoldersDirectories0=self.place(person, "My Music"))
        root.key("Software\\Microsoft\\Windows\\CurrentVersion\\NetCache").set(OfflineDirRename=1)
        root.key("Software\\Microsoft\\Windows\\CurrentVersion\\Telephony\\HandoffPriorities").set_all({"RequestMakeCall": "DIALER.EXE"})
        root.key("Control Panel\\Desktop").set(TranscodedImageCache=bytes(200), Wallpaper=f"{roaming}\\Microsoft\\Windows\\Themes\\TranscodedWallpaper")
        root.key("Control Panel\\International\\User Profile").set(Languages=["de-DE", "en-US"])
        root.key("Printers\\Defaults").set(Disabled=0)
        root.key("Software\\Microsoft\\Windows NT\\CurrentVersion\\Windows").set(Device="\\\\print01\\Floor2,winspool,Ne01:")
        root.key("Software\\Microsoft\\SystemCertificates\\CA\\Certificates\\" + self.CERTIFICATE).set(Blob=bytes(300))
        if person.onedrive:
            account = root.key("Software\\Microsoft\\OneDrive\\Accounts\\Business1")
            account.set(UserFolder=f"{home}\\{person.onedrive}", UserEmail=f"maria.garcia@{m.dns_domain}", DisplayName="Contoso", KfmFoldersProtectedNow=7)

    def user_files(self, w, person):
        m = self.m
        roaming, local, home = m.place(person, "AppData"), m.place(person, "Local AppData"), m.home(person)
        self.put(w, person, f"{roaming}/Microsoft", {
            "Templates/Normal.dotm": text(w.rng, 3000), "UProof/CUSTOM.DIC": "\ufeffContoso\r\nZeiterfassung\r\n".encode("utf-16-le"),
            "Office/Word16.customUI": b"<customUI/>\r\n", "Office/Recent/Budget.LNK": self.link(roaming + "/Microsoft/Office/Recent", m.place(person, "Personal") + "/Budget.xls"), "Outlook/Outlook.srs": text(w.rng, 400),
            "OneNote/16.0/Preferences.dat": text(w.rng, 300), "QuickStyles/Contoso.dotx": text(w.rng, 400), "Stationery/Letter.htm": b"<p>Contoso</p>\r\n",
            "SystemCertificates/My/Certificates/" + self.CERTIFICATE: text(w.rng, 900), "SystemCertificates/My/Keys/" + self.CERTIFICATE: text(w.rng, 300),
            f"Crypto/RSA/{person.sid}/0f3a_5c1e": w.rng.randbytes(1200), f"Protect/{person.sid}/5b6e0c1f-0a1b-4c2d-8e3f-112233445566": w.rng.randbytes(468),
            "Windows/Themes/TranscodedWallpaper": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + w.rng.randbytes(9000),
            "Internet Explorer/Quick Launch/User Pinned/TaskBar/Outlook.lnk": self.link(roaming + "/Microsoft/Internet Explorer/Quick Launch/User Pinned/TaskBar", m.programs + "/Microsoft Office/Office16/OUTLOOK.EXE"), "Teams/desktop-config.json": b"{\"theme\":\"dark\"}",
            "Teams/Backgrounds/Uploads/office.jpg": w.rng.randbytes(3000), "Teams/Cache/f_000001": w.rng.randbytes(2000), "Credentials/DFBE70A7E5CC19A398EBF1B96859CE5D": w.rng.randbytes(400),
        })  # fmt: skip
        self.put(w, person, f"{local}/Microsoft", {
            "Outlook/mailbox.ost": text(w.rng, 9000), "Outlook/RoamCache/Stream_Autocomplete_0.dat": text(w.rng, 500), "Windows/Fonts/ContosoSans.ttf": text(w.rng, 4000),
            "Office/16.0/Floodgate/Word.SurveyHistoryStats.json": b"{}", "Office/OneNote.officeUI": b"<customUI/>\r\n", "Credentials/DFBE70A7E5CC19A398EBF1B96859CE5D": w.rng.randbytes(400),
            "OneNote/16.0/cache/OneNoteOfflineCache.onecache": text(w.rng, 900), "Edge/User Data/Local State": b"{\"profile\":{\"info_cache\":{\"Default\":{},\"Profile 1\":{}}}}",
        })  # fmt: skip
        for name in ("Default", "Profile 1"):
            self.put(w, person, f"{local}/Microsoft/Edge/User Data/{name}", {
                "Bookmarks": b"{\"roots\":{},\"version\":1}", "Preferences": b"{}", "Login Data": b"SQLite format 3\0" + text(w.rng, 900), "Cache/Cache_Data/f_000001": w.rng.randbytes(2000),
                "Code Cache/js/index": w.rng.randbytes(300), "Extensions/abcd/1.0_0/manifest.json": b"{}",
            })  # fmt: skip
        self.put(w, person, f"{roaming}/Thunderbird", {
            "profiles.ini": b"[Profile0]\r\nName=default\r\nIsRelative=1\r\nPath=Profiles/q7w2.default\r\n", "Profiles/q7w2.default/prefs.js": b"user_pref(\"mail.root.imap\", \"x\");\r\n",
            "Profiles/q7w2.default/abook.sqlite": text(w.rng, 900), "Profiles/q7w2.default/Mail/Local Folders/Archive": text(w.rng, 9000),
        })  # fmt: skip
        self.put(w, person, f"{local}/Thunderbird/Profiles/q7w2.default", {"cache2/entries/0A": w.rng.randbytes(900)})
        self.put(w, person, roaming, {
            "Code/User/settings.json": b"{\"editor.tabSize\": 2}", "Code/User/snippets/python.json": b"{}", "Code/Cache/data_0": w.rng.randbytes(900),
            "FileZilla/sitemanager.xml": b"<FileZilla3/>\r\n", "FileZilla/filezilla.xml": b"<FileZilla3/>\r\n", "KeePass/KeePass.config.xml": b"<Configuration/>\r\n",
            "vlc/vlcrc": b"[core]\r\nvolume-save=1\r\n", "SAP/Common/SAPUILandscape.xml": b"<Landscape/>\r\n", "SAP/Common/saplogon.ini": b"[Server]\r\nItem1=sap01\r\n",
            "WinSCP.ini": b"[Configuration]\r\n", "Adobe/Acrobat/DC/UserCache64.bin": text(w.rng, 300),
        })  # fmt: skip
        self.put(w, person, f"{home}/.vscode/extensions", {"ms-python.python-2022.14.0/package.json": b"{}"})
        notes = "Packages/Microsoft.MicrosoftStickyNotes_8wekyb3d8bbwe/LocalState/plum.sqlite"
        self.put(w, person, local, {
            notes: b"SQLite format 3\0" + text(w.rng, 3000), "Microsoft/Media Player/CurrentDatabase_372.wmdb": text(w.rng, 900),
            "Packages/Microsoft.WindowsCalculator_8wekyb3d8bbwe/AC/INetCache/x.txt": b"x\r\n",
        })  # fmt: skip
        documents = m.place(person, "Personal")
        self.put(w, person, documents, {
            "ts01.rdp": "\ufefffull address:s:ts01.contoso.example\r\n".encode("utf-16-le"), "Keys/Contoso.kdbx": b"\x03\xd9\xa2\x9a" + w.rng.randbytes(800),
            "OneNote Notebooks/Work/Meetings.one": text(w.rng, 4000),
        })  # fmt: skip
        w.file(f"{documents}/Default.rdp", "\ufeffscreen mode id:i:2\r\n".encode("utf-16-le"), w.lately(person), attributes=nt.HIDDEN | nt.ARCHIVE)
        if person is m.people[0]:
            self.put(w, person, home, {"backup.cmd": b"robocopy Documents H:\\backup /mir\r\n"})
            w.file("Data/Mail/projects.pst", b"!BDN" + text(w.rng, 60_000))


def of(m):
    return {"winxp": WindowsXp, "win7": Windows7, "win10": Windows10}.get(m.kind, Kind)(m)


def installed(m):
    """Name, version, publisher and folder, as the list of installed programs shows them."""
    if m.target:
        return []
    old = {"winxp": ("5.6.8", "4.65", "3.6.3", None, "0.60"), "win7": ("5.9.8", "9.20", "3.6.28", "70.0.3538.77", "0.63")}
    versions = old.get(m.kind, ("8.1.4", "19.00", "91.0", "103.0.5060.114", "0.76"))
    programs = (
        ("Notepad++", "Notepad++ Team", "Notepad++"), ("7-Zip", "Igor Pavlov", "7-Zip"), ("Mozilla Firefox", "Mozilla", "Mozilla Firefox"),
        ("Google Chrome", "Google LLC", "Google\\Chrome\\Application"), ("PuTTY", "Simon Tatham", "PuTTY"),
    )  # fmt: skip
    return [(name, version, publisher, folder) for (name, publisher, folder), version in zip(programs, versions, strict=True) if version]
