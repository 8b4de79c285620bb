//! The rules that hold when none are given: every user's folder, settings of Windows and of applications, and what must
//! never travel. They are data in `builtin/`; `README.md` beside this file lists their components.

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        vec![$((concat!("builtin/", $name), include_str!(concat!("builtin/", $name)))),+]
    };
}

/// Names and texts of the built-in rule files, ready for [`super::RuleSet::parse`]. The names begin with `builtin/`.
pub fn builtin() -> Vec<(&'static str, &'static str)> {
    files![
        "must-not-travel.xml",
        "user-files.xml",
        "documents.xml",
        "user-settings.xml",
        "windows-settings.xml",
        "machine-settings.xml",
        "office.xml",
        "office-conversion.xml",
        "browsers.xml",
        "applications.xml",
    ]
}
