//! The rules that hold when none are given: every user's folder, and settings of Windows and of applications.

/// Names and texts of the built-in rule files, ready for [`super::RuleSet::parse`]. The names begin with `builtin/`.
pub fn builtin() -> Vec<(&'static str, &'static str)> {
    vec![
        ("builtin/user-files.xml", include_str!("builtin/user-files.xml")),
        ("builtin/user-settings.xml", include_str!("builtin/user-settings.xml")),
        ("builtin/machine-settings.xml", include_str!("builtin/machine-settings.xml")),
    ]
}
