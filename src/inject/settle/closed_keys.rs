//! Which keys of the new registry a personality may write, and which never, whatever its rules and names say.
//!
//! A user's personality reaches the two hives of that user. The system's reaches `HKLM\SOFTWARE` less what makes code run or
//! decides who may do what, and of `HKLM\SYSTEM`, where one wrong value keeps Windows from starting, only what is listed
//! here. `SAM` and `SECURITY` are nobody's.

use crate::{hive::KeyPath, nt::NtString};

/// A part of a hive that stays closed, and why.
type Closed = (&'static str, &'static str);

const RUNS_CODE: &str = "it decides what code Windows runs";
const IS_POLICY: &str = "policies belong to who manages the new PC";
const OF_MACHINE: &str = "it is the new Windows' own state";
const OF_INSTALLER: &str = "programs write it when they are installed";

/// Closed in a user's `NTUSER.DAT`.
const USER: [Closed; 12] = [
    (r"Volatile Environment", "Windows makes it anew at each logon"),
    (r"SessionInformation", "Windows makes it anew at each logon"),
    (r"Software\Classes", "Windows links it to the user's UsrClass.dat"),
    (r"Software\Microsoft\Windows NT\CurrentVersion\Winlogon", RUNS_CODE),
    (r"Software\Microsoft\Windows NT\CurrentVersion\Windows", RUNS_CODE),
    (
        r"Software\Microsoft\Windows\CurrentVersion\Explorer\Shell Folders",
        "Explorer derives it from User Shell Folders",
    ),
    (r"Software\Microsoft\Windows\CurrentVersion\Group Policy", IS_POLICY),
    (r"Software\Microsoft\Windows\CurrentVersion\Policies", IS_POLICY),
    (r"Software\Policies", IS_POLICY),
    (r"Software\Microsoft\IdentityCRL", "it is bound to the old PC"),
    (r"Software\Microsoft\Windows\CurrentVersion\ProfileList", OF_MACHINE),
    (r"System\CurrentControlSet\Control\Session Manager", RUNS_CODE),
];

/// Closed in `HKLM\SOFTWARE`. `Wow6432Node` is passed over, so that both views are closed.
const SOFTWARE: [Closed; 35] = [
    (r"Policies", IS_POLICY),
    (r"Microsoft\Windows\CurrentVersion\Policies", IS_POLICY),
    (r"Microsoft\Windows\CurrentVersion\Group Policy", IS_POLICY),
    (r"Microsoft\Windows\CurrentVersion\Run", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\RunOnce", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\RunOnceEx", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\RunServices", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\RunServicesOnce", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\ShellServiceObjectDelayLoad", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\Authentication", "it decides who logs on"),
    (r"Microsoft\Windows\CurrentVersion\Explorer\Browser Helper Objects", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\Explorer\ShellExecuteHooks", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\Installer", OF_INSTALLER),
    (r"Microsoft\Windows\CurrentVersion\Uninstall", OF_INSTALLER),
    (r"Microsoft\Windows\CurrentVersion\Component Based Servicing", OF_MACHINE),
    (r"Microsoft\Windows\CurrentVersion\Setup", OF_MACHINE),
    (r"Microsoft\Windows\CurrentVersion\WINEVT", OF_MACHINE),
    // Winlogon, Image File Execution Options, AppInit_DLLs (`Windows`), ProfileList, Svchost, AeDebug, SilentProcessExit,
    // Schedule, drivers, licences: whole, and the exceptions are below.
    (
        r"Microsoft\Windows NT\CurrentVersion",
        "nearly all of it decides what code Windows runs, or is its own state",
    ),
    (r"Microsoft\Active Setup", RUNS_CODE),
    (r"Microsoft\Command Processor", RUNS_CODE),
    (r"Microsoft\Cryptography", "it identifies the machine and loads its cryptography"),
    (r"Microsoft\SystemCertificates", "it decides whom Windows trusts"),
    (r"Microsoft\EnterpriseCertificates", "it decides whom Windows trusts"),
    (r"Microsoft\Windows Defender", "it decides what Windows protects against"),
    (r"Microsoft\AMSI", "it decides what Windows protects against"),
    (r"Microsoft\.NETFramework", RUNS_CODE),
    (r"Classes", OF_INSTALLER),
    (r"Microsoft\Windows\CurrentVersion\App Paths", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\Explorer\SharedTaskScheduler", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\Explorer\ShellIconOverlayIdentifiers", RUNS_CODE),
    (r"Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders", OF_MACHINE),
    (r"Microsoft\Netsh", RUNS_CODE),
    (r"Microsoft\Ole", "it decides who may start what"),
    (r"Microsoft\Rpc", RUNS_CODE),
    (r"ODBC\ODBCINST.INI", OF_INSTALLER),
];

/// Open in spite of the above.
const SOFTWARE_OPEN: [&str; 4] = [
    r"Microsoft\Windows NT\CurrentVersion\FontSubstitutes",
    r"Microsoft\Windows NT\CurrentVersion\Fonts",
    r"Microsoft\Windows NT\CurrentVersion\FontLink",
    r"Microsoft\Windows NT\CurrentVersion\Time Zones",
];

/// Single values of `HKLM\SOFTWARE` that stay closed in a key that is open.
const SOFTWARE_VALUES: [(&str, &[&str], &str); 1] = [(
    r"Microsoft\Windows\CurrentVersion",
    &[
        "ProgramFilesDir",
        "ProgramFilesDir (x86)",
        "ProgramW6432Dir",
        "CommonFilesDir",
        "CommonFilesDir (x86)",
        "CommonW6432Dir",
        "DevicePath",
        "MediaPathUnexpanded",
        "ProgramFilesPath",
        "SM_ConfigureProgramsName",
    ],
    OF_MACHINE,
)];

/// Open in the current control set of `HKLM\SYSTEM`; everything else is closed.
const SYSTEM_OPEN: [&str; 8] = [
    r"Control\Session Manager\Environment",
    r"Control\TimeZoneInformation",
    r"Control\PriorityControl",
    r"Control\MUI\Settings",
    r"Control\Power\User\PowerSchemes",
    r"Services\W32Time\Parameters",
    r"Services\Tcpip\Parameters\PersistentRoutes",
    r"Services\Dnscache\Parameters\SearchList",
];

/// All that is open of the time service: its key names the program too.
const TIME_SERVICE: (&str, [&str; 2]) = (r"Services\W32Time\Parameters", ["NtpServer", "Type"]);

/// Variables of the machine that are not a user's to choose: they say which code runs when a name is called.
const SYSTEM_VARIABLES: [&str; 16] = [
    "ComSpec",
    "DriverData",
    "NUMBER_OF_PROCESSORS",
    "OS",
    "Path",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROCESSOR_IDENTIFIER",
    "PROCESSOR_LEVEL",
    "PROCESSOR_REVISION",
    "PSModulePath",
    "SystemDrive",
    "SystemRoot",
    "TEMP",
    "TMP",
    "windir",
];
/// Variables that make every program load code.
const LOADS_CODE: [&str; 7] = [
    "COR_ENABLE_PROFILING",
    "COR_PROFILER",
    "COR_PROFILER_PATH",
    "CORECLR_PROFILER",
    "CORECLR_PROFILER_PATH",
    "DOTNET_STARTUP_HOOKS",
    "__COMPAT_LAYER",
];

/// A hive of the new Windows that personalities may be merged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A user's `NTUSER.DAT`.
    User,
    /// A user's `UsrClass.dat`.
    UserClasses,
    /// `HKLM\SOFTWARE`.
    Software,
    /// The current control set of `HKLM\SYSTEM`.
    ControlSet,
}

/// Why nothing may be written at a key of a hive; none when it may.
pub(super) fn closed(part: Part, key: &KeyPath) -> Option<&'static str> {
    match part {
        Part::User => reason(&USER, key).or_else(|| user_choice(key)),
        Part::UserClasses => None,
        Part::Software => {
            let key = without_wow(key);
            let is_open = SOFTWARE_OPEN.iter().any(|open| lies_in(&key, open));
            if is_open { None } else { reason(&SOFTWARE, &key) }
        }
        Part::ControlSet => {
            let is_open = SYSTEM_OPEN.iter().any(|open| lies_in(key, open));
            (!is_open).then_some(
                "of SYSTEM only settings are merged that no driver, service or start of Windows depends on",
            )
        }
    }
}

/// Why a value may not be written in a key that is open.
pub(super) fn closed_value(part: Part, key: &KeyPath, name: &NtString) -> Option<&'static str> {
    let is = |known: &&str| name.eq_ignore_case(&NtString::from(*known));
    match part {
        Part::ControlSet if lies_in(key, r"Control\Session Manager\Environment") => {
            if SYSTEM_VARIABLES.iter().any(&is) {
                Some(OF_MACHINE)
            } else {
                LOADS_CODE.iter().any(&is).then_some(RUNS_CODE)
            }
        }
        Part::ControlSet if lies_in(key, TIME_SERVICE.0) => {
            let is_open = depth(TIME_SERVICE.0) == key.names().len() && TIME_SERVICE.1.iter().any(&is);
            (!is_open).then_some(RUNS_CODE)
        }
        Part::Software => {
            let key = without_wow(key);
            let of_key = SOFTWARE_VALUES
                .iter()
                .find(|(path, ..)| lies_in(&key, path) && depth(path) == key.names().len());
            of_key.filter(|(_, names, _)| names.iter().any(is)).map(|(_, _, reason)| *reason)
        }
        _ => None,
    }
}

fn reason(table: &[Closed], key: &KeyPath) -> Option<&'static str> {
    table.iter().find(|(path, _)| lies_in(key, path)).map(|(_, reason)| *reason)
}

/// The choice of a program for a kind of file or link is signed with a hash that only the Windows it was made in accepts.
fn user_choice(key: &KeyPath) -> Option<&'static str> {
    let is = key.names().iter().any(|name| {
        ["UserChoice", "UserChoiceLatest"].iter().any(|known| name.eq_ignore_case(&NtString::from(*known)))
    });
    is.then_some("Windows accepts a choice of programs only where it was made")
}

fn depth(path: &str) -> usize {
    path.split('\\').count()
}

/// True for a key at or below a path.
fn lies_in(key: &KeyPath, path: &str) -> bool {
    let names = key.names();
    depth(path) <= names.len()
        && path.split('\\').zip(names).all(|(known, name)| name.eq_ignore_case(&known.into()))
}

/// The key as 64-bit programs see it.
fn without_wow(key: &KeyPath) -> KeyPath {
    let wow = NtString::from("Wow6432Node");
    key.names().iter().filter(|name| !name.eq_ignore_case(&wow)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_code_or_decides_rights_is_closed() {
        let is_closed = |part, key: &str| closed(part, &KeyPath::from(key)).is_some();
        for key in [
            r"microsoft\windows\currentversion\RUN",
            r"Wow6432Node\Microsoft\Windows\CurrentVersion\Run\x",
            r"Microsoft\Windows NT\CurrentVersion\Winlogon",
            r"Microsoft\Windows NT\CurrentVersion\Image File Execution Options\sethc.exe",
            r"Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-18",
            r"Classes\CLSID\{1}\InprocServer32",
            r"Classes\Wow6432Node\CLSID",
            r"Policies",
            r"Microsoft\Windows\CurrentVersion\App Paths\notepad.exe",
            r"Microsoft\Ole\AppCompat",
            r"Microsoft\Rpc\Extensions",
            r"Wow6432Node\ODBC\ODBCINST.INI\Evil",
        ] {
            assert!(is_closed(Part::Software, key), "{key}");
        }
        for key in [
            r"Microsoft\Windows\CurrentVersion\Runner",
            r"ODBC\ODBC.INI\x",
            "Contoso",
            r"Microsoft\Windows NT\CurrentVersion\Fonts",
        ] {
            assert!(!is_closed(Part::Software, key), "{key}");
        }
        for key in [
            r"Control\Lsa",
            r"Control\Session Manager",
            r"Control\Session Manager\KnownDLLs",
            r"Services\Evil",
            r"Control\SecurePipeServers",
            r"Control\Session Manager\Environment2",
            "",
        ] {
            assert!(is_closed(Part::ControlSet, key), "{key}");
        }
        assert!(!is_closed(Part::ControlSet, r"control\TimeZoneInformation"));
        assert!(is_closed(
            Part::User,
            r"Software\Microsoft\Windows\CurrentVersion\Explorer\FileExts\.txt\UserChoice"
        ));
        assert!(!is_closed(
            Part::User,
            r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders"
        ));
    }

    #[test]
    fn variables_that_choose_code_are_the_machines() {
        let key = KeyPath::from(r"Control\Session Manager\Environment");
        let is_closed = |name: &str| closed_value(Part::ControlSet, &key, &name.into()).is_some();
        assert!(is_closed("PATH") && is_closed("comspec") && is_closed("COR_PROFILER"));
        assert!(!is_closed("CONTOSO_SERVER"));
    }

    #[test]
    fn of_the_time_service_only_its_servers_are_open() {
        let is_closed = |key: &str, name: &str| {
            closed_value(Part::ControlSet, &KeyPath::from(key), &name.into()).is_some()
        };
        let key = r"Services\W32Time\Parameters";
        assert!(!is_closed(key, "ntpserver") && !is_closed(key, "Type"));
        assert!(is_closed(key, "ServiceDll") && is_closed(key, "ServiceMain") && is_closed(key, ""));
        assert!(is_closed(r"Services\W32Time\Parameters\Deeper", "Type"));
    }
}
