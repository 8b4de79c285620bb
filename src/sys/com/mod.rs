//! COM objects by name, spoken to through `IDispatch`, as scripts do.
//!
//! The twin for Linux has none: every object is absent there. Whatever goes wrong is the same answer, none, because an
//! object that cannot be asked is to us as one that is not there.

#[cfg(not(windows))]
mod linux;
#[cfg(windows)]
mod win32;
#[cfg(not(windows))]
pub use linux::Object;
#[cfg(windows)]
pub use win32::Object;

/// An argument of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `BSTR`.
    Text(&'a str),
    /// `VT_I4`, which every server takes for an unsigned number too.
    Number(i32),
}
