//! [`Listed`]: the components of rule files as a Config.xml lists them, for whoever writes one.

use std::sync::Arc;

use super::model::{Component, RuleSet};

/// `type` of a component: in which part of a Config.xml it is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComponentType {
    /// Settings of Windows.
    System,
    /// Of an application.
    #[default]
    Application,
    /// Of a device.
    Device,
    /// Files of users.
    Documents,
}

impl ComponentType {
    /// Reads the value of the attribute, in any case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let known = [
            ("system", Self::System),
            ("application", Self::Application),
            ("device", Self::Device),
            ("documents", Self::Documents),
        ];
        known.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim())).map(|(_, kind)| *kind)
    }
}

/// A component that an administrator may turn off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its display name.
    pub name: Arc<str>,
    /// Its type.
    pub kind: ComponentType,
    /// `urlid` of its file.
    pub urlid: String,
    /// Components of its roles.
    pub components: Vec<Self>,
}

impl Listed {
    fn new(urlid: &str, component: &Component) -> Self {
        let inner = component.roles.iter().flat_map(|role| &role.components);
        Self {
            name: Arc::clone(&component.display_name),
            kind: component.kind,
            urlid: urlid.to_owned(),
            components: inner.filter(|one| !one.hidden).map(|one| Self::new(urlid, one)).collect(),
        }
    }
}

impl RuleSet {
    /// All components that are not hidden, in document order.
    pub fn catalogue(&self) -> Vec<Listed> {
        let of_file = |file: &super::model::RuleFile| {
            let shown = file.components.iter().filter(|component| !component.hidden);
            shown.map(|component| Listed::new(&file.urlid, component)).collect::<Vec<_>>()
        };
        self.files.iter().flat_map(of_file).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn components_are_listed_by_type_and_nested_and_hidden_ones_are_not() {
        let text = r#"<migration urlid="http://example.com/a">
            <component type="documents"><displayName>Files</displayName><role role="Container">
              <component type="documents"><displayName>Letters</displayName></component>
              <component type="documents" hidden="TRUE"><displayName>Drafts</displayName></component>
            </role></component>
            <component type="System"><displayName>Fonts</displayName></component></migration>"#;
        let rules = RuleSet::parse(&[("a.xml".to_owned(), text.to_owned())]).unwrap();
        let listed = rules.catalogue();
        let shown = |one: &Listed| (one.name.to_string(), one.kind, one.components.len());
        assert_eq!(
            listed.iter().map(shown).collect::<Vec<_>>(),
            [
                ("Files".to_owned(), ComponentType::Documents, 1),
                ("Fonts".to_owned(), ComponentType::System, 0)
            ]
        );
        assert_eq!(listed.first().map(|one| one.urlid.as_str()), Some("http://example.com/a"));
    }
}
