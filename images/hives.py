"""The hives of a machine: SOFTWARE, SYSTEM, SAM, SECURITY, and each person's NTUSER.DAT and UsrClass.dat."""

import struct

import applications
import nt
import regf
from regf import Expand

NEVER = 0x7FFFFFFFFFFFFFFF
NORMAL_ACCOUNT, PASSWORD_NEVER_EXPIRES, DISABLED = 0x10, 0x200, 0x1

MACHINE_KEYS = nt.security(
    nt.ADMINISTRATORS, nt.LOCAL_SYSTEM,
    [(2, nt.KEY_FULL, nt.LOCAL_SYSTEM), (2, nt.KEY_FULL, nt.ADMINISTRATORS), (2, nt.KEY_READ, nt.USERS)],
)  # fmt: skip
SECRET_KEYS = nt.security(nt.ADMINISTRATORS, nt.LOCAL_SYSTEM, [(2, nt.KEY_FULL, nt.LOCAL_SYSTEM)])


def user_keys(sid):
    grants = [(2, nt.KEY_FULL, sid), (2, nt.KEY_FULL, nt.LOCAL_SYSTEM), (2, nt.KEY_FULL, nt.ADMINISTRATORS), (2, nt.KEY_READ, nt.RESTRICTED)]
    return nt.security(sid, nt.LOCAL_SYSTEM, grants)


def high_low(time):
    return time >> 32, time & 0xFFFFFFFF


def software(m):
    root = regf.Key("CMI-CreateHive{199DAFC2-6F16-4946-BF90-5A3FC3A60902}" if not m.xp else "$$$PROTO.HIV", m.installed, MACHINE_KEYS)
    nt_key = root.key("Microsoft\\Windows NT\\CurrentVersion")
    windows = "WINDOWS" if m.xp else "Windows"
    nt_key.set(
        ProductName=m.product, CurrentVersion=m.version, CurrentBuild=str(m.build), CurrentBuildNumber=str(m.build),
        CurrentType="Multiprocessor Free", InstallDate=nt.unix_time(m.installed), SystemRoot=f"C:\\{windows}", PathName=f"C:\\{windows}",
        RegisteredOwner="Contoso", RegisteredOrganization="Contoso Ltd", ProductId="00330-80000-00000-AA123",
        BuildLab={"5.1": "2600.xpsp_sp3_gdr", "6.0": "6002.vistasp2_gdr", "6.1": "7601.win7sp1_ldr"}.get(m.version, f"{m.build}.vb_release"),
    ).stamp(m.installed)  # fmt: skip
    if m.xp:
        nt_key.set(CSDVersion="Service Pack 3")
    else:
        nt_key.set(EditionID=m.edition, InstallationType="Client")
    if m.version in ("6.0", "6.1"):
        nt_key.set(CSDVersion="Service Pack 2" if m.version == "6.0" else "Service Pack 1")
    if m.version == "6.3":
        nt_key.set(
            CurrentMajorVersionNumber=10, CurrentMinorVersionNumber=0, ReleaseId="2009", UBR=1889,
            DisplayVersion="22H2" if m.build >= 22000 else "21H2", InstallTime=m.installed,
        )  # fmt: skip
    root.key("Microsoft\\Windows\\CurrentVersion").set(
        ProgramFilesDir=f"C:\\{m.programs}", CommonFilesDir=f"C:\\{m.programs}\\" + ("Gemeinsame Dateien" if m.xp else "Common Files"),
        ProgramFilesPath=Expand("%ProgramFiles%"), DevicePath=Expand("%SystemRoot%\\inf"),
    )  # fmt: skip
    if m.architecture == "AMD64" and m.kind not in ("sample", "bench"):
        root.key("Microsoft\\Windows\\CurrentVersion").set_all({
            "ProgramFilesDir (x86)": "C:\\Program Files (x86)", "CommonFilesDir (x86)": "C:\\Program Files (x86)\\Common Files",
            "ProgramW6432Dir": "C:\\Program Files", "CommonW6432Dir": "C:\\Program Files\\Common Files",
        })  # fmt: skip
    profile_list(m, nt_key.key("ProfileList"))
    domains(m, root)
    machine_folders(m, root)
    for name, version, publisher, folder in applications.installed(m):
        uninstall = root.key(f"Microsoft\\Windows\\CurrentVersion\\Uninstall\\{name}")
        uninstall.set(DisplayName=name, DisplayVersion=version, Publisher=publisher, InstallLocation=f"C:\\{m.programs}\\{folder}")
    if m.version == "6.3" and not m.target:
        root.key("Mozilla\\Mozilla Firefox").set(CurrentVersion="91.0 (x64 de)")
    if not m.target:
        root.key("Notepad++").raw("", *regf.encode(f"C:\\{m.programs}\\Notepad++"))
    if m.version == "6.3" and (m.people or not m.target):
        root.key("Microsoft\\Office\\16.0\\Outlook\\InstallRoot").set(Path=f"C:\\{m.programs}\\Microsoft Office\\Office16\\")
    root.key("Classes\\.txt").raw("", *regf.encode("txtfile"))
    root.key("Classes\\txtfile\\shell\\open\\command").raw("", *regf.encode(Expand("%SystemRoot%\\system32\\NOTEPAD.EXE %1")))
    root.key("Microsoft\\Windows NT\\CurrentVersion\\Fonts").set_all({"Arial (TrueType)": "arial.ttf", "Consolas (TrueType)": "consola.ttf"})
    applications.of(m).machine_keys(root)
    return root


def profile_list(m, key):
    base = f"%SystemDrive%\\{m.users_folder}"
    key.set(ProfilesDirectory=Expand(base))
    if m.xp:
        key.set(AllUsersProfile="All Users", DefaultUserProfile="Default User")
    else:
        key.set(Default=Expand(base + "\\Default"), Public=Expand(base + "\\Public"), ProgramData=Expand("%SystemDrive%\\ProgramData"))
    services = [(nt.LOCAL_SYSTEM, "systemprofile"), (nt.LOCAL_SERVICE, "LocalService"), (nt.NETWORK_SERVICE, "NetworkService")]
    for sid, folder in services:
        where = "%systemroot%\\system32\\config\\systemprofile" if sid == nt.LOCAL_SYSTEM else f"%systemroot%\\ServiceProfiles\\{folder}"
        if m.xp and sid != nt.LOCAL_SYSTEM:
            where = f"{base}\\{folder}"
        key.key(sid).set(Flags=12, State=0, RefCount=1, ProfileImagePath=Expand(where), Sid=nt.sid(sid))
    for person in m.people:
        if person.kind == "orphan":
            continue
        entry = key.key(person.sid).stamp(person.last_use)
        high, low = high_low(person.last_use)
        entry.set(ProfileImagePath=Expand(m.environment_home(person)), Sid=nt.sid(person.sid), Flags=0, State=0x100 if person.administrator else 0)
        entry.set(RefCount=0, ProfileLoadTimeLow=low, ProfileLoadTimeHigh=high, RunLogonScriptSync=0)
        if not m.xp:
            entry.set(FullProfile=1)
        if m.version == "6.3":
            entry.set(LocalProfileLoadTimeLow=low, LocalProfileLoadTimeHigh=high)
            high, low = high_low(person.last_use + 3 * nt.DAY // 24)
            entry.set(LocalProfileUnloadTimeLow=low, LocalProfileUnloadTimeHigh=high)
        if person.kind in ("domain", "missing"):
            entry.set(Guid=nt.guid(m.rng))
            if m.xp:
                entry.set(CentralProfile="", OptimizedLogonStatus=11)
        if m.bak_twin and person.kind == "unknown":
            # A load that failed: Windows made TEMP of it and kept the true entry under this name.
            twin = key.key(person.sid + ".bak").stamp(person.last_use)
            twin.values = dict(entry.values)
            entry.set(ProfileImagePath=Expand(f"{base}\\TEMP"), State=0x204)
            twin.set(State=0x8000)


def domains(m, root):
    """What the machine remembers of people whose account it does not hold."""
    logon = root.key("Microsoft\\Windows NT\\CurrentVersion\\Winlogon")
    known = [person for person in m.people if person.kind == "domain"]
    if known:
        logon.set(DefaultDomainName=m.domain, DefaultUserName=known[0].name, AltDefaultDomainName=m.domain, AltDefaultUserName=known[0].name)
        if m.xp:
            logon.key("DomainCache").set_all({m.domain: m.dns_domain})
    else:
        logon.set(DefaultDomainName=m.computer)
    policy = root.key("Microsoft\\Windows\\CurrentVersion\\Group Policy")
    for person in known:
        policy.key(f"State\\{person.sid}").set_all(
            {"Distinguished-Name": f"CN={person.full_name},OU=Staff,DC=" + ",DC=".join(m.dns_domain.split("."))}
        )
    if m.version != "6.3":
        return
    cache = root.key("Microsoft\\IdentityStore\\Cache")
    names = root.key("Microsoft\\IdentityStore\\LogonCache\\B16898C6-A148-4967-9171-64D755DA8520\\Sid2Name")
    for person in m.people:
        if person.kind in ("domain", "entra"):
            domain, mail = (m.domain, f"{person.name}@{m.dns_domain}") if person.kind == "domain" else ("AzureAD", f"maria.garcia@{m.dns_domain}")
            cache.key(f"{person.sid}\\IdentityCache\\{person.sid}").set(
                DisplayName=person.full_name, SAMName=person.name.split(".")[0], UserName=mail, ProviderName=domain, FirstName=person.full_name.split()[0]
            )
            names.key(person.sid).set(IdentityName=mail, SAMName=person.name.split(".")[0], DisplayName=person.full_name, AuthenticatingAuthority=domain)
    latest = max((p for p in m.people if p.kind in ("local", "domain", "entra")), key=lambda p: p.last_use, default=None)
    if latest:
        root.key("Microsoft\\Windows\\CurrentVersion\\Authentication\\LogonUI").set(
            LastLoggedOnUser=f".\\{latest.name}", LastLoggedOnSAMUser=f"{m.computer}\\{latest.name}", LastLoggedOnUserSID=latest.sid,
            LastLoggedOnDisplayName=latest.full_name,
        )  # fmt: skip


def machine_folders(m, root):
    explorer = root.key("Microsoft\\Windows\\CurrentVersion\\Explorer")
    if m.xp:
        base = "%ALLUSERSPROFILE%"
        folders = {"Common Desktop": "Desktop", "Common Documents": "Dokumente", "Common AppData": "Anwendungsdaten", "Common Start Menu": "Startmenü"}
        folders = {name: f"{base}\\{path}" for name, path in folders.items()}
    else:
        folders = {
            "Common Desktop": "%PUBLIC%\\Desktop", "Common Documents": "%PUBLIC%\\Documents", "CommonPictures": "%PUBLIC%\\Pictures",
            "Common AppData": "%ProgramData%", "Common Start Menu": "%ProgramData%\\Microsoft\\Windows\\Start Menu",
        }  # fmt: skip
    explorer.key("User Shell Folders").set_all({name: Expand(path) for name, path in folders.items()})


def system(m):
    root = regf.Key("CMI-CreateHive{2A7FB991-7BBE-4F9D-B91E-7CB51D4737F5}" if not m.xp else "$$$PROTO.HIV", m.installed, MACHINE_KEYS)
    root.key("Select").set(Current=1, Default=1, Failed=0, LastKnownGood=2)
    control = root.key("ControlSet001\\Control")
    control.key("ComputerName\\ComputerName").set(ComputerName=m.computer)
    control.key("Nls\\Language").set(InstallLanguage=f"{m.language:04x}", Default=f"{m.language:04x}")
    control.key("Nls\\CodePage").set(ACP="1252", OEMCP="850")
    name, bias = m.time_zone
    zone = control.key("TimeZoneInformation").set(Bias=bias & 0xFFFFFFFF, StandardName=name, DaylightName=name.replace("Standard", "Daylight"))
    zone.set(StandardBias=0, DaylightBias=(-60) & 0xFFFFFFFF, ActiveTimeBias=(bias - 60) & 0xFFFFFFFF)
    if not m.xp:
        zone.set(TimeZoneKeyName=name)
    windows = Expand("%SystemRoot%")
    control.key("Session Manager\\Environment").set(
        PROCESSOR_ARCHITECTURE=m.architecture, ComSpec=Expand("%SystemRoot%\\system32\\cmd.exe"), windir=windows, NUMBER_OF_PROCESSORS="4",
        Path=Expand("%SystemRoot%\\system32;%SystemRoot%;%SystemRoot%\\System32\\Wbem"), TEMP=Expand("%SystemRoot%\\TEMP"), OS="Windows_NT",
    )  # fmt: skip
    control.key("Windows").set(Directory=windows, SystemDirectory=Expand("%SystemRoot%\\system32"), ShutdownTime=struct.pack("<Q", m.now))
    control.key("ProductOptions").set(ProductType="WinNT")
    joined = any(person.kind in ("domain", "missing") for person in m.people)
    network = root.key("ControlSet001\\Services\\Tcpip\\Parameters")
    network.set_all({"Hostname": m.computer, "NV Hostname": m.computer, "Domain": m.dns_domain if joined else "", "NV Domain": m.dns_domain if joined else ""})
    root.key("ControlSet001\\Services\\LanmanWorkstation").set(Start=2, Type=0x20, ImagePath=Expand("%SystemRoot%\\System32\\svchost.exe -k NetworkService"))
    if m.target:
        root.key("Select").set(LastKnownGood=1)
        control.key("ServiceGroupOrder").set(List=["System Reserved", "Boot Bus Extender", "FSFilter Infrastructure", "ProfSvc_Group", "NetworkProvider"])
        for name, start, group in (("EventLog", 2, "Event Log"), ("ProfSvc", 2, "ProfSvc_Group"), ("Schedule", 2, "SchedulerGroup"), ("Netlogon", 3, "")):
            service = root.key(f"ControlSet001\\Services\\{name}")
            service.set(Start=start, Type=0x20, ErrorControl=1, Group=group, ObjectName="LocalSystem", ImagePath=Expand("%SystemRoot%\\system32\\svchost.exe -k netsvcs -p"))
            service.key("Parameters").set(ServiceDll=Expand(f"%SystemRoot%\\system32\\{name.lower()}.dll"))
    else:
        root.key("ControlSet002\\Control\\ComputerName\\ComputerName").set(ComputerName="STALE-NAME")
    mounted = root.key("MountedDevices")
    if m.disk == "gpt":
        place = b"DMIO:ID:" + nt.guid_bytes(m.partition_guid)
    else:
        place = struct.pack("<IQ", m.disk_signature, m.hidden_sectors * 512)
    mounted.set_all({"\\DosDevices\\C:": place, "\\??\\Volume" + nt.guid(m.rng).lower(): place})
    mounted.set_all({"\\DosDevices\\D:": "\\??\\IDE#CdRomVirtual_DVD#{53f5630d-b6bf-11d0-94f2-00a0c91efb8b}".encode("utf-16-le")})
    if m.target and not m.people:  # Windows has not yet started from this volume
        root.key("Setup").set(SystemSetupInProgress=1, SetupType=2, SetupPhase=4, CmdLine="oobe\\windeploy.exe", OOBEInProgress=1, RespecializeCmdLine="Sysprep\\sysprep.exe /respecialize /quiet")
    else:
        root.key("Setup").set(SystemSetupInProgress=0, SetupPhase=0, CmdLine="", OOBEInProgress=0)
    return root


def account_v(name, full_name, comment=""):
    """The V value of a SAM user: 17 (offset, length, flag) entries, then what they point at."""
    texts = {1: name, 2: full_name, 3: comment}
    head, body = b"", b""
    for i in range(17):
        data = texts.get(i, "").encode("utf-16-le")
        if i == 0:
            data = nt.security(nt.ADMINISTRATORS, nt.ADMINISTRATORS, [(0, 0xF07FF, nt.ADMINISTRATORS)])
        elif i == 11:
            data = b"\xff" * 21  # logon hours: all
        elif i in (13, 14):
            data = struct.pack("<I", 0x00010001)  # no password hash at all
        head += struct.pack("<III", len(body), len(data), {11: 0xA8, 13: 1, 14: 1}.get(i, 0))
        body += data.ljust(-(-len(data) // 4) * 4, b"\0")
    return head + body


def account_f(rid, last_logon, password_set, flags, count):
    times = struct.pack("<6Q", 0x10002, last_logon, 0, password_set, NEVER, 0)
    return times + struct.pack("<IIHHHHHHIQ", rid, 513, flags, 0, 0, 0, 0, count, 1, 0)


def alias_c(rid, name, comment, members):
    """The C value of a SAM alias: 13 words, the name, the comment, the SIDs of its members."""
    name, comment = name.encode("utf-16-le"), comment.encode("utf-16-le")
    sids = b"".join(nt.sid(member) for member in members)
    pad = lambda data: data.ljust(-(-len(data) // 4) * 4, b"\0")  # noqa: E731
    security = pad(nt.security(nt.ADMINISTRATORS, nt.ADMINISTRATORS, [(0, 0xF001F, nt.ADMINISTRATORS)]))
    at_name = len(security)
    at_comment = at_name + len(pad(name))
    at_members = at_comment + len(pad(comment))
    words = (rid, 0, len(security), 0x00020001, at_name, len(name), 0, at_comment, len(comment), 0, at_members, len(sids), len(members))
    return struct.pack("<13I", *words) + security + pad(name) + pad(comment) + sids


def sam(m):
    root = regf.Key("CMI-CreateHive{899121E8-11D8-44B6-ACEB-301713D5ED8C}" if not m.xp else "SAM", m.installed, SECRET_KEYS)
    account = root.key("SAM\\Domains\\Account")
    machine = nt.sid(m.sid)
    account.set(V=struct.pack("<II", 0x00020001, 0).ljust(0x40, b"\0") + machine, F=struct.pack("<HHI", 2, 1, 0).ljust(0xF0, b"\0"))
    people = [(500, "Administrator", "", 0, DISABLED), (501, "Gast" if m.xp else "Guest", "", 0, DISABLED)]
    if m.version == "6.3":
        people.append((503, "DefaultAccount", "", 0, DISABLED))
    if m.target:
        people.append((504, "WDAGUtilityAccount", "", 0, DISABLED))
    people += [(p.rid, p.name, p.full_name, p.last_use, 0) for p in m.people if p.kind == "local"]
    for rid, name, full_name, last, more in people:
        user = account.key(f"Users\\{rid:08X}").stamp(last or m.installed)
        user.set(
            F=account_f(rid, last, m.installed, NORMAL_ACCOUNT | PASSWORD_NEVER_EXPIRES | more, 37 if last else 0),
            V=account_v(name, full_name, "Built-in account" if rid < 1000 else ""),
        )
        account.key(f"Users\\Names\\{name}").raw("", rid, b"")
    account.key("Groups\\00000201").set(C=alias_c(513, "None", "Ordinary users", []))
    builtin = root.key("SAM\\Domains\\Builtin")
    locals_ = [p for p in m.people if p.kind == "local"]
    groups = [
        (544, "Administratoren" if m.xp else "Administrators", [f"{m.sid}-500"] + [p.sid for p in m.people if p.administrator]),
        (545, "Benutzer" if m.xp else "Users", ["S-1-5-4", "S-1-5-11"] + [p.sid for p in locals_]),
        (555, "Remotedesktopbenutzer" if m.xp else "Remote Desktop Users", [p.sid for p in m.people if p.kind == "domain"]),
    ]
    for rid, name, members in groups:
        builtin.key(f"Aliases\\{rid:08X}").set(C=alias_c(rid, name, "", members))
        builtin.key(f"Aliases\\Names\\{name}").raw("", rid, b"")
        for member in members:
            domain, _, tail = member.rpartition("-")
            builtin.key(f"Aliases\\Members\\{domain}\\{int(tail):08X}").raw("", regf.NONE, struct.pack("<I", rid))
    return root


def security(m):
    root = regf.Key("CMI-CreateHive{0CC1FFF2-0FF1-4F3B-92FD-0B54A5B2D2E0}" if not m.xp else "SECURITY", m.installed, SECRET_KEYS)
    text = lambda s: struct.pack("<HHI", 2 * len(s), 2 * len(s) + 2, 8) + (s + "\0").encode("utf-16-le")  # noqa: E731
    policy = root.key("Policy")
    policy.key("PolAcDmN").raw("", regf.NONE, text(m.computer))
    policy.key("PolAcDmS").raw("", regf.NONE, nt.sid(m.sid))
    if any(person.kind in ("domain", "missing") for person in m.people):
        policy.key("PolPrDmN").raw("", regf.NONE, text(m.domain))
        policy.key("PolPrDmS").raw("", regf.NONE, nt.sid(m.domain_sid))
        policy.key("PolDnDDN").raw("", regf.NONE, text(m.dns_domain))
    else:
        policy.key("PolPrDmN").raw("", regf.NONE, text("WORKGROUP"))
    root.key("Cache").set_all({"NL$1": bytes(96), "NL$2": bytes(96)})
    return root


def user(m, person):
    """NTUSER.DAT. Among what should travel stand things that must not: caches, machine state, hashes bound to the SID."""
    name = "$$$PROTO.HIV" if m.xp else "CMI-CreateHive{6A1C4018-979D-4291-A7DC-7AED1C75B67C}" if m.version == "6.1" else "ROOT"
    root = regf.Key(name, person.last_use, user_keys(person.sid))
    shell = root.key("Software\\Microsoft\\Windows\\CurrentVersion\\Explorer")
    for known in m.folders:
        path = m.folder(person, known).replace("/", "\\")
        if known == "Personal" and person.redirected:
            shell.key("User Shell Folders").set_all({known: Expand(person.redirected)})
            shell.key("Shell Folders").set_all({known: person.redirected})
            continue
        shell.key("User Shell Folders").set_all({known: Expand(f"%USERPROFILE%\\{path}")})
        shell.key("Shell Folders").set_all({known: f"{m.home(person, True)}\\{path}"})
    temp = "%USERPROFILE%\\Lokale Einstellungen\\Temp" if m.xp else "%USERPROFILE%\\AppData\\Local\\Temp"
    root.key("Environment").set(TEMP=Expand(temp), TMP=Expand(temp), PROJECTS=Expand("%USERPROFILE%\\" + m.folder(person, "Personal").replace("/", "\\") + "\\projects"))
    picture = f"{m.home(person, True)}\\" + m.folder(person, "My Pictures").replace("/", "\\") + "\\holiday.jpg"
    root.key("Control Panel\\Desktop").set(Wallpaper=picture, WallpaperStyle="10", TileWallpaper="0", ScreenSaveActive="1", ScreenSaveTimeOut="600")
    root.key("Control Panel\\Mouse").set(MouseSpeed="1", SwapMouseButtons="1" if person.name == "jsmith" else "0")
    german = m.language == 0x0407
    root.key("Control Panel\\International").set(
        Locale=f"{m.language:08X}", LocaleName="de-DE" if german else "en-US", sShortDate="dd.MM.yyyy" if german else "M/d/yyyy",
        sDecimal="," if german else ".", sCurrency="€" if german else "$", iCountry="49" if german else "1",
    )  # fmt: skip
    root.key("Keyboard Layout\\Preload").set_all({"1": f"{m.language:08x}", "2": "00000807"})
    root.key("Network\\H").set(RemotePath="\\\\files.contoso.example\\home", UserName="", ProviderName="Microsoft Windows Network", ProviderType=0x20000)
    root.key("Network\\P").set(RemotePath="\\\\files.contoso.example\\projects", UserName="CONTOSO\\jsmith", ConnectionType=1, DeferFlags=4)
    root.key("Printers\\Connections\\,,print01,Floor2").set(Server="\\\\print01", Provider="win32spl.dll")
    explorer = shell.key("Advanced")
    explorer.set(Hidden=1, HideFileExt=0, ShowSuperHidden=0, TaskbarGlomLevel=1)
    session = root.key("Software\\SimonTatham\\PuTTY\\Sessions\\build%20server")
    session.set(HostName="build.contoso.example", PortNumber=22, UserName=person.name, Protocol="ssh", TermWidth=132)
    root.key("Software\\SimonTatham\\PuTTY\\SshHostKeys").set_all({"ssh-ed25519@22:build.contoso.example": "0x1f2e3d4c5b6a,0x99aa"})
    root.key("Software\\7-Zip\\Options").set(MenuItems=0x23E7, CascadedMenu=1)
    root.key("Software\\Microsoft\\Notepad").set(lfFaceName="Consolas", iPointSize=110, fWrap=1)
    if m.version == "6.3":
        office_16(m, person, root)
    root.key("Software\\Google\\Chrome\\BLBeacon").set(version="103.0.5060.114")
    root.key("Software\\Contoso\\Zeiterfassung\\Ansicht „groß“\\日本語").set(Breite=1280, Tage=["Montag", "Dienstag", "Mittwoch"], Notiz="Ünïcödé ✓")
    root.key("Software\\Contoso\\Layouts").set(Large=struct.pack("<H", 0xC0DE) * 15000, Exact=bytes(16344), Empty=b"", Zero="", Big=1 << 40)
    root.key("Software\\Contoso\\Layouts").klass = "Contoso.Class"
    # What must not travel.
    files = shell.key("FileExts\\.pdf\\UserChoice")
    files.set(ProgId="AcroExch.Document.DC", Hash="kQ2Vt0jXm5E=")
    shell.key("MountPoints2\\{" + "0" * 8 + "-1111-2222-3333-444444444444}").set(_LabelFromReg="Stick")
    shell.key("RecentDocs").set_all({"0": "report.docx\0".encode("utf-16-le"), "MRUListEx": struct.pack("<iI", 0, 0xFFFFFFFF)})
    shell.key("UserAssist\\{CEBFF5CD-ACE2-4F4F-9178-9926F41749EA}\\Count").set_all({"P:\\Jvaqbjf\\abgrcnq.rkr": bytes(72)})
    root.key("Software\\Microsoft\\Windows\\Shell\\BagMRU").set(NodeSlots=bytes(256), MRUListEx=b"\xff\xff\xff\xff")
    root.key("Software\\Microsoft\\Windows\\CurrentVersion\\Run").set(OneDrive=f'"{m.home(person, True)}\\AppData\\Local\\Microsoft\\OneDrive\\OneDrive.exe" /background')
    root.key("Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings\\ZoneMap").set(IntranetName=1, ProxyBypass=1)
    root.key("Software\\Policies\\Microsoft\\Windows\\System").set(DisableCMD=0)
    if applications.used_by(m, person):
        applications.of(m).user_keys(root, person)
    return root


def office_16(m, person, root):
    documents = f"{m.home(person, True)}\\" + m.folder(person, "Personal").replace("/", "\\")
    office = root.key("Software\\Microsoft\\Office\\16.0")
    office.key("Common\\MailSettings").set(NewSignature="Business", ReplySignature="Short")
    office.key("Word\\Options").set_all({"DOC-PATH": documents, "AutoRecover-Path": Expand("%APPDATA%\\Microsoft\\Word\\")})
    profile = office.key("Outlook\\Profiles\\Outlook\\9375CFF0413111d3B88A00104B2A6676\\00000002")
    profile.set_all({"Account Name": f"{person.name}@{m.dns_domain}", "001f6700": (documents + "\\Outlook Files\\archive.pst\0").encode("utf-16-le")})


def unsaved(root):
    """The last changes of a session: what is in the log of NTUSER.DAT and not yet in the file."""
    root.key("Software\\Contoso\\Last session").set(Ticket="INC-20220914-0042", Draft="Ünsaved ✓", Large=struct.pack("<H", 0xBEEF) * 9000)
    root.key("Control Panel\\Desktop").set(ScreenSaveTimeOut="900")
    root.key("Software\\SimonTatham\\PuTTY\\Sessions\\last%20minute").set(HostName="db.contoso.example", PortNumber=2222)
    return root


def classes(m, person):
    root = regf.Key(f"{person.sid}_Classes", person.last_use, user_keys(person.sid))
    root.key("Local Settings\\Software\\Microsoft\\Windows\\Shell\\MuiCache").set_all({"@C:\\Windows\\system32\\shell32.dll,-1": "Explorer"})
    root.key("contoso-ticket\\shell\\open\\command").raw("", *regf.encode(f'"C:\\{m.programs}\\Contoso\\ticket.exe" "%1"'))
    root.key("contoso-ticket").raw("URL Protocol", *regf.encode(""))
    root.key(".log").raw("", *regf.encode("Notepad++_file"))
    if applications.used_by(m, person):
        applications.of(m).class_keys(root, person)
    return root


class Blank:
    """Nobody: the person the Default profile is made for."""

    sid, name, full_name, redirected, kind = nt.LOCAL_SYSTEM, "Default", "", None, "default"
    onedrive = None

    def __init__(self, m, folder):
        self.last_use, self.folder = m.installed, folder.rpartition("/")[2]
