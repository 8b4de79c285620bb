//! Which Windows it is: version numbers, product name, architecture, language.

use std::fmt;

use serde::Serialize;

/// First build of Windows 11. Its registry still says "Windows 10", in `ProductName` and in the version number.
const FIRST_BUILD_OF_11: u32 = 22_000;

/// The version of an installation: 5.1.2600 is XP, 6.1.7601 is 7 with SP1, 10.0.22631 is 11.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Version {
    /// `CurrentMajorVersionNumber`.
    pub major: u32,
    /// `CurrentMinorVersionNumber`.
    pub minor: u32,
    /// `CurrentBuildNumber`.
    pub build: u32,
    /// `UBR`, the number of the cumulative update; 0 before Windows 8.1.
    pub revision: u32,
}

impl Version {
    /// A version without its update number.
    pub const fn new(major: u32, minor: u32, build: u32) -> Self {
        Self { major, minor, build, revision: 0 }
    }

    /// True for this version and all later ones.
    pub fn is_at_least(self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }

    /// True for XP, 2003 and 2000, which lay out profiles the old way.
    pub fn is_before_vista(self) -> bool {
        !self.is_at_least(6, 0)
    }

    /// True for Windows 11, which calls itself 10.0.
    pub fn is_windows_11(self) -> bool {
        self.is_at_least(10, 0) && self.build >= FIRST_BUILD_OF_11
    }

    /// Reads `CurrentVersion` (`6.1`) and `CurrentBuildNumber` (`7601`), as written before Windows 10.
    pub(super) fn from_texts(version: &str, build: &str) -> Option<Self> {
        let (major, minor) = version.trim().split_once('.')?;
        Some(Self::new(major.parse().ok()?, minor.parse().ok()?, build.trim().parse().unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.build)?;
        if self.revision == 0 { Ok(()) } else { write!(f, ".{}", self.revision) }
    }
}

/// Returns the product name to show: `ProductName`, put right for Windows 11 on a client.
pub(super) fn product_name(written: &str, version: Version, is_server: bool) -> String {
    let written = written.trim();
    if version.is_windows_11() && !is_server {
        return written.replacen("Windows 10", "Windows 11", 1);
    }
    if !written.is_empty() {
        return written.to_owned();
    }
    let name = match (version.major, version.minor) {
        (5, 0) => "Windows 2000",
        (5, 1) => "Windows XP",
        (5, 2) => "Windows XP x64 or Server 2003",
        (6, 0) => "Windows Vista",
        (6, 1) => "Windows 7",
        (6, 2) => "Windows 8",
        (6, 3) => "Windows 8.1",
        (10, _) => "Windows 10",
        _ => "Windows",
    };
    name.to_owned()
}

/// The processor architecture an installation was made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 32 bit.
    X86,
    /// 64 bit (AMD64).
    X64,
    /// 64 bit ARM.
    Arm64,
    /// Itanium: Windows XP 64-bit Edition and servers.
    Ia64,
    /// Nothing says.
    #[default]
    Unknown,
}

impl Architecture {
    /// Reads `PROCESSOR_ARCHITECTURE` of the system's environment.
    pub(super) fn from_environment(text: &str) -> Self {
        match text.trim().to_ascii_uppercase().as_str() {
            "X86" => Self::X86,
            "AMD64" => Self::X64,
            "ARM64" => Self::Arm64,
            "IA64" => Self::Ia64,
            _ => Self::Unknown,
        }
    }

    /// Reads `BuildLabEx`, such as `7601.17514.amd64fre.win7sp1_rtm.101119-1850`.
    pub(super) fn from_build_lab(text: &str) -> Self {
        let has = |word: &str| text.split('.').any(|part| part.starts_with(word));
        match () {
            () if has("amd64") => Self::X64,
            () if has("arm64") => Self::Arm64,
            () if has("ia64") => Self::Ia64,
            () if has("x86") => Self::X86,
            () => Self::Unknown,
        }
    }

    /// True where 32-bit programs run beside 64-bit ones, in `Program Files (x86)` and `Wow6432Node`.
    pub fn is_64_bit(self) -> bool {
        matches!(self, Self::X64 | Self::Arm64 | Self::Ia64)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86 => "x86",
            Self::X64 => "x64",
            Self::Arm64 => "arm64",
            Self::Ia64 => "ia64",
            Self::Unknown => "unknown",
        })
    }
}

/// Languages Windows was sold in, by language identifier.
///
/// Reference: \[MS-LCID\] 2.2.
const LANGUAGES: &[(u16, &str)] = &[
    (0x0401, "ar-SA"),
    (0x0402, "bg-BG"),
    (0x0403, "ca-ES"),
    (0x0404, "zh-TW"),
    (0x0405, "cs-CZ"),
    (0x0406, "da-DK"),
    (0x0407, "de-DE"),
    (0x0408, "el-GR"),
    (0x0409, "en-US"),
    (0x040A, "es-ES"),
    (0x040B, "fi-FI"),
    (0x040C, "fr-FR"),
    (0x040D, "he-IL"),
    (0x040E, "hu-HU"),
    (0x0410, "it-IT"),
    (0x0411, "ja-JP"),
    (0x0412, "ko-KR"),
    (0x0413, "nl-NL"),
    (0x0414, "nb-NO"),
    (0x0415, "pl-PL"),
    (0x0416, "pt-BR"),
    (0x0418, "ro-RO"),
    (0x0419, "ru-RU"),
    (0x041A, "hr-HR"),
    (0x041B, "sk-SK"),
    (0x041D, "sv-SE"),
    (0x041E, "th-TH"),
    (0x041F, "tr-TR"),
    (0x0421, "id-ID"),
    (0x0422, "uk-UA"),
    (0x0424, "sl-SI"),
    (0x0425, "et-EE"),
    (0x0426, "lv-LV"),
    (0x0427, "lt-LT"),
    (0x042A, "vi-VN"),
    (0x042D, "eu-ES"),
    (0x0456, "gl-ES"),
    (0x0804, "zh-CN"),
    (0x0807, "de-CH"),
    (0x0809, "en-GB"),
    (0x080A, "es-MX"),
    (0x080C, "fr-BE"),
    (0x0816, "pt-PT"),
    (0x0C04, "zh-HK"),
    (0x0C07, "de-AT"),
    (0x0C0A, "es-ES"),
    (0x0C0C, "fr-CA"),
    (0x241A, "sr-Latn-RS"),
];

/// Returns the language for an identifier as the registry writes it (`0409`); one that is not in the table is shown as
/// `0x…`.
pub(super) fn language(lcid: &str) -> Option<String> {
    let digits = lcid.trim();
    let number = u16::from_str_radix(digits.get(digits.len().saturating_sub(4)..)?, 16).ok()?;
    let known = LANGUAGES.iter().find(|(known, _)| *known == number).map(|(_, tag)| (*tag).to_owned());
    Some(known.unwrap_or_else(|| format!("{number:#06x}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn windows_11_is_told_by_its_build() {
        let ten = Version::new(10, 0, 19_045);
        let eleven = Version { revision: 4_317, ..Version::new(10, 0, 22_631) };
        assert_eq!(product_name("Windows 10 Pro", ten, false), "Windows 10 Pro");
        assert_eq!(product_name("Windows 10 Pro", eleven, false), "Windows 11 Pro");
        let server = Version::new(10, 0, 26_100);
        assert_eq!(
            product_name("Windows Server 2025 Standard", server, true),
            "Windows Server 2025 Standard"
        );
        assert_eq!(eleven.to_string(), "10.0.22631.4317");
        assert!(eleven.is_windows_11() && !ten.is_windows_11());
    }

    #[test]
    fn old_versions_come_as_texts() {
        let xp = Version::from_texts("5.1", "2600").unwrap();
        assert_eq!(xp, Version::new(5, 1, 2600));
        assert!(xp.is_before_vista() && !Version::new(6, 0, 6000).is_before_vista());
        assert_eq!(product_name("", xp, false), "Windows XP");
        assert_eq!(Version::from_texts("six", ""), None);
        assert!(Version::new(10, 0, 1) > Version::new(6, 3, 9_600));
    }

    #[test]
    fn architecture_and_language_are_read() {
        assert_eq!(Architecture::from_environment("AMD64"), Architecture::X64);
        assert_eq!(
            Architecture::from_build_lab("7601.17514.x86fre.win7sp1_rtm.101119-1850"),
            Architecture::X86
        );
        assert_eq!(Architecture::from_build_lab(""), Architecture::Unknown);
        assert_eq!(language("0407").unwrap(), "de-DE");
        assert_eq!(language("00000409").unwrap(), "en-US");
        assert_eq!(language("0C1A").unwrap(), "0x0c1a");
        assert_eq!(language("x"), None);
    }
}
