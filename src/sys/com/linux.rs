//! Linux has no COM: there is no object, and no value of this type.

use super::Value;

/// An object that does not exist.
#[derive(Debug)]
pub enum Object {}

impl Object {
    /// None.
    pub fn create(_prog_id: &str) -> Option<Self> {
        None
    }

    /// Never called.
    pub fn get(&self, _property: &str, _index: &str) -> Option<String> {
        match *self {}
    }

    /// Never called.
    pub fn put(&self, _property: &str, _index: &str, _value: &str) -> bool {
        match *self {}
    }

    /// Never called.
    pub fn call(&self, _method: &str, _arguments: &[Value<'_>]) -> bool {
        match *self {}
    }
}
