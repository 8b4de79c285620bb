//! The version resource of a program: how rules tell which version of an application was installed.

use pelite::PeFile;

/// A string of the version resource of a program or library (`FileVersion`, `ProductName`, …), in the first language
/// that has it; none when the bytes are no program or have none.
pub fn version_string(program: &[u8], name: &str) -> Option<String> {
    let version = PeFile::from_bytes(program).ok()?.resources().ok()?.version_info().ok()?;
    version.translation().iter().find_map(|&language| version.value(language, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_program_has_no_version() {
        assert_eq!(version_string(b"MZ", "FileVersion"), None);
        assert_eq!(version_string(&[0; 4096], "FileVersion"), None);
    }
}
