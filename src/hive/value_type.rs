//! [`ValueType`]: what the data of a value means.

use std::fmt;

/// The type of a value. Any number is legal on disk: SAM keeps account numbers there, device properties 0xFFFF00xx.
///
/// Reference: `winnt.h`, `REG_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is named as in winnt.h")]
pub enum ValueType {
    None,
    Sz,
    ExpandSz,
    Binary,
    Dword,
    DwordBigEndian,
    Link,
    MultiSz,
    ResourceList,
    FullResourceDescriptor,
    ResourceRequirementsList,
    Qword,
    /// A number without a name.
    Other(u32),
}

const NAMED: [(ValueType, &str); 12] = [
    (ValueType::None, "REG_NONE"),
    (ValueType::Sz, "REG_SZ"),
    (ValueType::ExpandSz, "REG_EXPAND_SZ"),
    (ValueType::Binary, "REG_BINARY"),
    (ValueType::Dword, "REG_DWORD"),
    (ValueType::DwordBigEndian, "REG_DWORD_BIG_ENDIAN"),
    (ValueType::Link, "REG_LINK"),
    (ValueType::MultiSz, "REG_MULTI_SZ"),
    (ValueType::ResourceList, "REG_RESOURCE_LIST"),
    (ValueType::FullResourceDescriptor, "REG_FULL_RESOURCE_DESCRIPTOR"),
    (ValueType::ResourceRequirementsList, "REG_RESOURCE_REQUIREMENTS_LIST"),
    (ValueType::Qword, "REG_QWORD"),
];

impl From<u32> for ValueType {
    fn from(number: u32) -> Self {
        let named = usize::try_from(number).ok().and_then(|number| NAMED.get(number));
        named.map_or(Self::Other(number), |(value_type, _)| *value_type)
    }
}

impl From<ValueType> for u32 {
    fn from(value_type: ValueType) -> Self {
        match value_type {
            ValueType::Other(number) => number,
            named => (0..).zip(NAMED).find(|(_, (t, _))| *t == named).map_or(0, |(number, _)| number),
        }
    }
}

/// The name in `winnt.h`, or the number in hexadecimal.
impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(t, _)| t == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{:#x}", u32::from(*self)),
        }
    }
}
