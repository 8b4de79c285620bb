"""The win11 kinds: a Windows 11 that a task sequence has just applied, to inject into.

`win11` has not started yet: no users, a Default profile as the image has it, an answer file that sets the computer up.
`win11copyprofile` differs in the answer file, which makes Windows replace the Default profile at its first start. `win11used`
has started, and anna, a local account, has logged on: a profile made of Default, with a few settings and files of her own.
"""

import struct

import hives
import nt
import pe
import regf
import trees
from regf import Expand
from volume import text

EVERYONE_READS = [(nt.READ_EXECUTE, nt.USERS), (nt.READ_EXECUTE, nt.EVERYONE)]
BATCH, INTERACTIVE, SERVICE, CREATOR = "S-1-5-3", "S-1-5-4", "S-1-5-6", "S-1-3-0"
MODIFY = 0x1301BF
SYSTEM_FULL = [(nt.FULL, nt.LOCAL_SYSTEM), (nt.FULL, nt.ADMINISTRATORS)]
DEFAULT_OWNER = nt.Owner(nt.LOCAL_SYSTEM, nt.LOCAL_SYSTEM, SYSTEM_FULL + EVERYONE_READS)
PUBLIC_OWNER = nt.Owner(nt.ADMINISTRATORS, nt.LOCAL_SYSTEM, SYSTEM_FULL + [(MODIFY, BATCH), (MODIFY, INTERACTIVE), (MODIFY, SERVICE)])
PROGRAM_DATA_OWNER = nt.Owner(nt.LOCAL_SYSTEM, nt.LOCAL_SYSTEM, SYSTEM_FULL + [(nt.FULL, CREATOR), (0x120116, nt.USERS), (nt.READ_EXECUTE, nt.USERS)])

MENU = "AppData/Roaming/Microsoft/Windows/Start Menu/Programs"
DEFAULT_FOLDERS = (
    "AppData/Local/Microsoft/InputPersonalization/TrainedDataStore", "AppData/Local/Microsoft/Windows/CloudStore", "AppData/Local/Microsoft/Windows/GameExplorer",
    "AppData/Local/Microsoft/Windows/History", "AppData/Local/Microsoft/Windows/INetCache", "AppData/Local/Microsoft/Windows/INetCookies",
    "AppData/Local/Microsoft/WindowsApps", "AppData/Local/Temp", "AppData/Roaming/Microsoft/Windows/CloudStore", "AppData/Roaming/Microsoft/Windows/Network Shortcuts",
    "AppData/Roaming/Microsoft/Windows/Printer Shortcuts", "AppData/Roaming/Microsoft/Windows/Recent", "AppData/Roaming/Microsoft/Windows/Templates",
    "Desktop", "Documents", "Downloads", "Favorites", "Links", "Music", "Pictures", "Saved Games", "Videos",
)  # fmt: skip
DEFAULT_LINKS = (
    ("Application Data", "AppData\\Roaming"), ("Cookies", "AppData\\Local\\Microsoft\\Windows\\INetCookies"), ("Local Settings", "AppData\\Local"),
    ("My Documents", "Documents"), ("NetHood", "AppData\\Roaming\\Microsoft\\Windows\\Network Shortcuts"),
    ("PrintHood", "AppData\\Roaming\\Microsoft\\Windows\\Printer Shortcuts"), ("Recent", "AppData\\Roaming\\Microsoft\\Windows\\Recent"),
    ("SendTo", "AppData\\Roaming\\Microsoft\\Windows\\SendTo"), ("Start Menu", "AppData\\Roaming\\Microsoft\\Windows\\Start Menu"),
    ("Templates", "AppData\\Roaming\\Microsoft\\Windows\\Templates"), ("AppData/Local/Application Data", "AppData\\Local"),
    ("AppData/Local/History", "AppData\\Local\\Microsoft\\Windows\\History"), ("AppData/Local/Temporary Internet Files", "AppData\\Local\\Microsoft\\Windows\\INetCache"),
    ("Documents/My Music", "Music"), ("Documents/My Pictures", "Pictures"), ("Documents/My Videos", "Videos"),
)  # fmt: skip
# Folders of a person or of Public, and the number under which shell32.dll has their shown name.
SHOWN_NAMES = {"Desktop": 21769, "Documents": 21770, "Downloads": 21798, "Favorites": 21796, "Links": 21810, "Music": 21790, "Pictures": 21779, "Videos": 21791}


def build(m):
    w = trees.Writer(m)
    trees.windows(w)
    programs(w)
    program_data(w)
    people(w)
    for person in m.people:
        profile(w, person)
    unattend(w)
    if m.people:
        w.file("pagefile.sys", b"", attributes=nt.HIDDEN | nt.SYSTEM | nt.ARCHIVE)
    w.folder("$Recycle.Bin", attributes=nt.HIDDEN | nt.SYSTEM)
    w.folder("System Volume Information", attributes=nt.HIDDEN | nt.SYSTEM)
    w.folder("PerfLogs")
    return w.tree


def programs(w):
    for base, wide in (("Program Files", True), ("Program Files (x86)", False)):
        w.tree.owned(base, trees.WINDOWS_OWNER)
        w.folder(f"{base}/Common Files/microsoft shared")
        w.file(f"{base}/Internet Explorer/iexplore.exe", pe.file("Internet Explorer", "iexplore.exe", (11, 0, 22621, 1), wide))
        w.file(f"{base}/Windows Media Player/wmplayer.exe", pe.file("Windows Media Player", "wmplayer.exe", (12, 0, 22621, 1), wide))
        trees.desktop_ini(w, base, 21781)
    w.file("Program Files (x86)/Microsoft/Edge/Application/msedge.exe", pe.file("Microsoft Edge", "msedge.exe", (105, 0, 1343, 27), True))
    if w.m.people:
        w.file("Program Files/Microsoft Office/Office16/OUTLOOK.EXE", pe.file("Microsoft Outlook", "OUTLOOK.EXE", (16, 0, 15601, 20148), True))


def program_data(w):
    w.tree.owned("ProgramData", PROGRAM_DATA_OWNER)
    w.folder("ProgramData", attributes=nt.HIDDEN | nt.NOT_INDEXED)
    for folder in ("Crypto/RSA/MachineKeys", "Network/Downloader", "Windows/Templates", "Windows Defender/Support", "Wlansvc/Profiles"):
        w.folder(f"ProgramData/Microsoft/{folder}")
    menu = "ProgramData/Microsoft/Windows/Start Menu/Programs"
    for name in ("Accessories/Remote Desktop Connection", "Administrative Tools/Event Viewer", "Microsoft Edge"):
        w.file(f"{menu}/{name}.lnk", b"L\0\0\0" + text(w.rng, 500))
    trees.desktop_ini(w, menu, 21782)
    w.folder("ProgramData/USOPrivate/UpdateStore")
    for name, to in (("Application Data", ""), ("Desktop", "C:\\Users\\Public\\Desktop"), ("Documents", "C:\\Users\\Public\\Documents"),
                     ("Start Menu", "C:\\ProgramData\\Microsoft\\Windows\\Start Menu"), ("Templates", "C:\\ProgramData\\Microsoft\\Windows\\Templates")):  # fmt: skip
        trees.link(w, f"ProgramData/{name}", to or "C:\\ProgramData")


def people(w):
    m = w.m
    w.folder("Users").attributes = nt.READONLY
    trees.desktop_ini(w, "Users", 21813)
    w.tree.owned("Users/Default", DEFAULT_OWNER)
    w.folder("Users/Default", attributes=nt.READONLY | nt.HIDDEN)
    default = regf.Key("ROOT", m.installed, hives.user_keys(nt.LOCAL_SYSTEM))
    w.hive("Users/Default/NTUSER.DAT", default_user(default), 5, "\\??\\C:\\Users\\Default\\NTUSER.DAT", w.at(m.installed))
    w.tree.by_path["Users/Default/NTUSER.DAT"].attributes = nt.HIDDEN | nt.ARCHIVE
    for name in ("NTUSER.DAT.LOG1", "NTUSER.DAT.LOG2"):
        w.file(f"Users/Default/{name}", b"", attributes=nt.HIDDEN | nt.SYSTEM | nt.ARCHIVE)
    default_tree(w, "Users/Default")
    w.tree.owned("Users/Public", PUBLIC_OWNER)
    w.folder("Users/Public", attributes=nt.READONLY)
    trees.desktop_ini(w, "Users/Public", 21816)
    for name in ("Desktop", "Documents", "Downloads", "Music", "Pictures", "Videos"):
        w.folder(f"Users/Public/{name}", attributes=nt.READONLY | (nt.HIDDEN if name == "Desktop" else 0))
        trees.desktop_ini(w, f"Users/Public/{name}", SHOWN_NAMES[name])
    w.file("Users/Public/Libraries/RecordedTV.library-ms", b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<libraryDescription/>\r\n", attributes=nt.ARCHIVE)
    trees.link(w, "Users/All Users", "C:\\ProgramData", nt.symlink)
    trees.link(w, "Users/Default User", "C:\\Users\\Default")
    trees.link(w, "Documents and Settings", "C:\\Users")


def default_tree(w, home):
    for folder in DEFAULT_FOLDERS:
        w.folder(f"{home}/{folder}", attributes=nt.READONLY if "/" not in folder else 0)
    w.folder(f"{home}/AppData").attributes = nt.HIDDEN
    for name in ("Accessibility/Magnify", "Accessibility/Narrator", "Accessories/Notepad", "System Tools/Command Prompt", "System Tools/Run", "Windows PowerShell/Windows PowerShell"):
        w.file(f"{home}/{MENU}/{name}.lnk", b"L\0\0\0" + text(w.rng, 400))
        if f"{home}/{MENU}/{name.partition('/')[0]}/desktop.ini" not in w.tree.by_path:
            trees.desktop_ini(w, f"{home}/{MENU}/{name.partition('/')[0]}", 21761)
    send_to = f"{home}/AppData/Roaming/Microsoft/Windows/SendTo"
    for name in ("Compressed (zipped) Folder.ZFSendToTarget", "Desktop (create shortcut).DeskLink", "Mail Recipient.MAPIMail"):
        w.file(f"{send_to}/{name}", b"")
    trees.desktop_ini(w, send_to, 21806)
    quick_launch = f"{home}/AppData/Roaming/Microsoft/Internet Explorer/Quick Launch"
    for name in ("Control Panel", "Shows Desktop", "Window Switcher"):
        w.file(f"{quick_launch}/{name}.lnk", b"L\0\0\0" + text(w.rng, 300))
    trees.desktop_ini(w, quick_launch, 21799)
    for group in (1, 2, 3):
        trees.desktop_ini(w, f"{home}/AppData/Local/Microsoft/Windows/WinX/Group{group}", 21700 + group)
    w.file(f"{home}/AppData/Local/Microsoft/Windows/Shell/DefaultLayouts.xml", b"<FullDefaultLayoutTemplate/>\r\n")
    for name, to in DEFAULT_LINKS:
        trees.link(w, f"{home}/{name}", f"C:\\{home}\\{to}".replace("/", "\\"))


def default_user(root):
    """The NTUSER.DAT of Default: what Windows 11 gives everybody at the first logon. Nothing in it names a person."""
    root.key("AppEvents\\Schemes").set_all({"": ".Default"})
    for event, sound in ((".Default", "Windows Background.wav"), ("Notification.Default", "Windows Notify System Generic.wav"), ("SystemHand", "Windows Foreground.wav")):
        root.key(f"AppEvents\\Schemes\\Apps\\.Default\\{event}\\.Current").set_all({"": Expand(f"%SystemRoot%\\media\\{sound}")})
    root.key("Console").set(ColorTable00=0x0C0C0C, ColorTable07=0xCCCCCC, FaceName="__DefaultTTFont__", FontSize=0x100000, HistoryBufferSize=50, QuickEdit=1, ScreenBufferSize=0x23290078, WindowSize=0x1E0078)
    panel = root.key("Control Panel")
    panel.key("Accessibility\\StickyKeys").set(Flags="510")
    panel.key("Accessibility\\HighContrast").set_all({"Flags": "126", "High Contrast Scheme": ""})
    panel.key("Appearance\\Schemes").set_all({"@themeui.dll,-850": bytes(712)})
    panel.key("Colors").set(ActiveBorder="180 180 180", Background="0 0 0", Window="255 255 255", WindowText="0 0 0")
    panel.key("Cursors").set_all({"": "Windows Default", "Arrow": Expand("%SystemRoot%\\cursors\\aero_arrow.cur"), "Scheme Source": 2})
    panel.key("Desktop").set(
        Wallpaper="C:\\Windows\\web\\wallpaper\\Windows\\img0.jpg", WallpaperStyle="10", TileWallpaper="0", ScreenSaveActive="1", DragFullWindows="1", FontSmoothing="2",
        CursorBlinkRate="530", MenuShowDelay="400", UserPreferencesMask=bytes.fromhex("9e1e078012000000"), Win8DpiScaling=0,
    )  # fmt: skip
    panel.key("Desktop\\WindowMetrics").set(BorderWidth="-15", CaptionHeight="-330", MinAnimate="1", CaptionFont=struct.pack("<5i", -12, 0, 0, 0, 400) + bytes(72))
    panel.key("Input Method").set_all({"Show Status": "1"})
    panel.key("International").set(
        Locale="00000409", LocaleName="en-US", sCountry="United States", sShortDate="M/d/yyyy", sLongDate="dddd, MMMM d, yyyy", sDecimal=".", sThousand=",", sCurrency="$", iCountry="1",
        sList=",", sTimeFormat="h:mm:ss tt", iFirstDayOfWeek="6",
    )  # fmt: skip
    panel.key("International\\Geo").set(Nation="244", Name="US")
    panel.key("Keyboard").set(InitialKeyboardIndicators="0", KeyboardDelay="1", KeyboardSpeed="31")
    panel.key("Mouse").set(MouseSpeed="1", MouseSensitivity="10", SwapMouseButtons="0", DoubleClickSpeed="500", SmoothMouseXCurve=bytes(40))
    panel.key("PowerCfg").set(CurrentPowerPolicy="0")
    panel.key("Sound").set(Beep="yes")
    temp = Expand("%USERPROFILE%\\AppData\\Local\\Temp")
    root.key("Environment").set(Path=Expand("%USERPROFILE%\\AppData\\Local\\Microsoft\\WindowsApps;"), TEMP=temp, TMP=temp)
    root.key("EUDC\\1252").set(SystemDefaultEUDCFont="EUDC.TTE")
    root.key("Keyboard Layout\\Preload").set_all({"1": "00000409"})
    root.key("Keyboard Layout\\Substitutes")
    root.key("Keyboard Layout\\Toggle").set_all({"Hotkey": "3", "Language Hotkey": "3", "Layout Hotkey": "3"})
    root.key("Network")
    root.key("Printers\\Defaults")
    windows = root.key("Software\\Microsoft\\Windows\\CurrentVersion")
    explorer = windows.key("Explorer")
    for known, path in USER_SHELL_FOLDERS.items():
        explorer.key("User Shell Folders").set_all({known: Expand(f"%USERPROFILE%\\{path}")})
    explorer.key("Shell Folders").set_all({"!Do not use this registry key": "Use the SHGetFolderPath or SHGetKnownFolderPath function instead"})
    explorer.key("Advanced").set(HideFileExt=1, Hidden=2, ShowSuperHidden=0, Start_TrackDocs=1, TaskbarAl=1)
    windows.key("Run").set(OneDriveSetup="C:\\Windows\\System32\\OneDriveSetup.exe /thfirstsetup")
    windows.key("Internet Settings").set(ProxyEnable=0, User_Agent="Mozilla/4.0 (compatible; MSIE 8.0; Win32)", EnableNegotiate=1)
    for zone in range(5):
        windows.key(f"Internet Settings\\Zones\\{zone}").set(CurrentLevel=0, Flags=33 + zone)
    windows.key("Themes").set(ThemeMRU="C:\\Windows\\resources\\Themes\\aero.theme;", InstallTheme=Expand("%SystemRoot%\\resources\\Themes\\aero.theme"))
    windows.key("ContentDeliveryManager").set(ContentDeliveryAllowed=1, PreInstalledAppsEnabled=1)
    nt_key = root.key("Software\\Microsoft\\Windows NT\\CurrentVersion")
    nt_key.key("Winlogon").set(ExcludeProfileDirs="AppData\\Local;AppData\\LocalLow;$Recycle.Bin;OneDrive;Work Folders", BuildNumber=22621, FirstLogon=1)
    nt_key.key("Windows").set(Device="", UserSelectedDefault=0)
    root.key("Software\\Microsoft\\Internet Explorer\\Main").set_all({"Start Page": "http://go.microsoft.com/fwlink/p/?LinkId=255141", "Anchor Underline": "yes"})
    root.key("Software\\Microsoft\\Notepad").set(fWrap=0)
    root.key("Software\\Policies\\Microsoft\\SystemCertificates")
    root.key("System\\CurrentControlSet\\Policies")
    return root


USER_SHELL_FOLDERS = {
    "AppData": "AppData\\Roaming", "Cache": "AppData\\Local\\Microsoft\\Windows\\INetCache", "Cookies": "AppData\\Local\\Microsoft\\Windows\\INetCookies",
    "Desktop": "Desktop", "Favorites": "Favorites", "History": "AppData\\Local\\Microsoft\\Windows\\History", "Local AppData": "AppData\\Local",
    "My Music": "Music", "My Pictures": "Pictures", "My Video": "Videos", "NetHood": "AppData\\Roaming\\Microsoft\\Windows\\Network Shortcuts",
    "Personal": "Documents", "PrintHood": "AppData\\Roaming\\Microsoft\\Windows\\Printer Shortcuts", "Programs": "AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs",
    "Recent": "AppData\\Roaming\\Microsoft\\Windows\\Recent", "SendTo": "AppData\\Roaming\\Microsoft\\Windows\\SendTo",
    "Start Menu": "AppData\\Roaming\\Microsoft\\Windows\\Start Menu", "Startup": "AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\Startup",
    "Templates": "AppData\\Roaming\\Microsoft\\Windows\\Templates", "{374DE290-123F-4565-9164-39C4925E467B}": "Downloads",
}  # fmt: skip


def profile(w, person):
    """A person's profile days after the first logon; some of it is also on the old computer, with other content."""
    m = w.m
    home = m.home(person)
    w.tree.owned(home, trees.owner_of(m, person))
    w.folder(home, w.at(m.installed))
    root = default_user(regf.Key("ROOT", person.last_use, hives.user_keys(person.sid)))
    folders = root.key("Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\Shell Folders")
    folders.set_all({known: f"{m.home(person, True)}\\{path}" for known, path in USER_SHELL_FOLDERS.items()})
    root.key("Control Panel\\Mouse").set(SwapMouseButtons="1")
    root.key("Software\\SimonTatham\\PuTTY\\Sessions\\build%20server").set(HostName="new-build.contoso.example", PortNumber=2200)
    root.key("Software\\SimonTatham\\PuTTY\\Sessions\\only%20new").set(HostName="new.contoso.example")
    used = (m.installed, person.last_use, person.last_use + 17, person.last_use + 5)
    w.hive(f"{home}/NTUSER.DAT", root, 5, f"\\??\\{m.home(person, True)}\\NTUSER.DAT", used)
    w.tree.by_path[f"{home}/NTUSER.DAT"].attributes = nt.HIDDEN | nt.ARCHIVE
    w.file(f"{home}/ntuser.dat.LOG1", b"", used, attributes=nt.HIDDEN | nt.SYSTEM | nt.ARCHIVE)
    w.file(f"{home}/ntuser.ini", b"\xff\xfe" + "[General]\r\n".encode("utf-16-le"), used, attributes=nt.HIDDEN | nt.SYSTEM)
    classes = regf.Key(f"{person.sid}_Classes", person.last_use, hives.user_keys(person.sid))
    classes.key(".md").set_all({"": "VSCode.md"})
    w.hive(f"{home}/AppData/Local/Microsoft/Windows/UsrClass.dat", classes, 5, f"\\??\\{m.home(person, True)}\\AppData\\Local\\Microsoft\\Windows\\UsrClass.dat", used)
    default_tree(w, home)
    for name, number in SHOWN_NAMES.items():
        trees.desktop_ini(w, f"{home}/{name}", number)
    for path, data in {
        "Desktop/Notes.txt": b"written on the new computer\r\n",
        "Documents/Übersicht Größen.txt": "Maße: 3 × 4 m\r\n".encode("utf-8-sig"),
        "Documents/New plan.txt": b"only here\r\n",
        "AppData/Roaming/Microsoft/Signatures/Business.txt": b"Best\r\nanna\r\n",
    }.items():
        w.file(f"{home}/{path}", data, w.lately(person))


UNATTEND = """<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend">
  <settings pass="specialize">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <ComputerName>{computer}</ComputerName>{more}
    </component>
  </settings>
  <settings pass="oobeSystem">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <OOBE><HideEULAPage>true</HideEULAPage><ProtectYourPC>1</ProtectYourPC></OOBE>
    </component>
  </settings>
</unattend>
"""


def unattend(w):
    more = "\n      <CopyProfile>true</CopyProfile>" if w.m.kind == "win11copyprofile" else ""
    w.file("Windows/Panther/unattend.xml", UNATTEND.format(computer=w.m.computer, more=more).encode())
