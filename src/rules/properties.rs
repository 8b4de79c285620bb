//! [`PropertyTest`]: `FileProperties(property, operator, value)`, a filter by a file's size or dates.
//!
//! Reference: Microsoft, USMT, "XML Elements Library", `FileProperties`.

use crate::nt::FileTime;

use super::function::Call;

/// What such a filter asks of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileProperties {
    /// Size in bytes.
    pub size: u64,
    /// When it was made.
    pub created: FileTime,
    /// When its content last changed.
    pub modified: FileTime,
    /// When it was last read.
    pub accessed: FileTime,
    /// `FILE_ATTRIBUTE_*`.
    pub attributes: u32,
}

impl FileProperties {
    /// Hidden and system both.
    pub(super) fn is_hidden_system(&self) -> bool {
        const HIDDEN_SYSTEM: u32 = 0x2 | 0x4;
        self.attributes & HIDDEN_SYSTEM == HIDDEN_SYSTEM
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    Size,
    Created,
    Modified,
    Accessed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Range,
    NotEqual,
    LessOrEqual,
    Less,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// A test by one property. A value is a range: a day is all its moments; a size is one number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PropertyTest {
    property: Property,
    operator: Operator,
    /// Lowest and highest value meant.
    low: u64,
    high: u64,
}

impl PropertyTest {
    /// Reads the call's arguments.
    ///
    /// # Errors
    /// A sentence that says which argument is wrong.
    pub(super) fn read(call: &Call) -> Result<Self, String> {
        let property = match call.text(0).trim().to_ascii_lowercase().as_str() {
            "filesize" => Property::Size,
            "datecreated" => Property::Created,
            "datemodified" => Property::Modified,
            "dateaccessed" => Property::Accessed,
            other => {
                return Err(format!(
                    "`{other}` is none of filesize, dateCreated, dateModified, dateAccessed."
                ));
            }
        };
        let operator = match call.text(1).trim().to_ascii_lowercase().as_str() {
            "range" => Operator::Range,
            "neq" => Operator::NotEqual,
            "lte" => Operator::LessOrEqual,
            "lt" => Operator::Less,
            "eq" => Operator::Equal,
            "gte" => Operator::GreaterOrEqual,
            "gt" => Operator::Greater,
            other => return Err(format!("`{other}` is none of range, neq, lte, lt, eq, gte, gt.")),
        };
        let text = call.text(2).trim();
        let value = |text: &str| {
            let text = text.trim();
            let value = if property == Property::Size { size(text).map(|n| (n, n)) } else { day(text) };
            value.ok_or_else(|| match property {
                Property::Size => format!("`{text}` is no size; write `5GB`, `100KB` or `1MB`."),
                _ => format!("`{text}` is no date; write `2008/05/15`."),
            })
        };
        let (low, high) = if operator == Operator::Range {
            let (from, to) = text.split_once('-').ok_or("A range is two values with `-` between.")?;
            (value(from)?.0, value(to)?.1)
        } else {
            value(text)?
        };
        Ok(Self { property, operator, low, high })
    }

    pub(super) fn holds(&self, properties: &FileProperties) -> bool {
        let value = match self.property {
            Property::Size => properties.size,
            Property::Created => properties.created.0,
            Property::Modified => properties.modified.0,
            Property::Accessed => properties.accessed.0,
        };
        let within = (self.low..=self.high).contains(&value);
        match self.operator {
            Operator::Range | Operator::Equal => within,
            Operator::NotEqual => !within,
            Operator::LessOrEqual => value <= self.high,
            Operator::Less => value < self.low,
            Operator::GreaterOrEqual => value >= self.low,
            Operator::Greater => value > self.high,
        }
    }
}

/// `5GB`, `100KB`, `100`: the units are powers of 1024.
fn size(text: &str) -> Option<u64> {
    let text = text.to_ascii_uppercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match text.get(digits.len()..)?.trim() {
        "" | "B" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(factor)
}

/// First and last tick of a day, given as `2008/05/15`, in UTC.
fn day(text: &str) -> Option<(u64, u64)> {
    const TICKS: u64 = 24 * 60 * 60 * 10_000_000;
    let mut parts = text.split(['/', '.']).map(|part| part.trim().parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1601..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    // Days since 1601-01-01, the first of a cycle of 400 years, with years that begin in March.
    let (year, month) =
        if month > 2 { (year, month.checked_sub(3)?) } else { (year.checked_sub(1)?, month.checked_add(9)?) };
    if !(1..=31).contains(&day) {
        return None;
    }
    let leap = (year / 4).checked_sub(year / 100)?.checked_add(year / 400)?;
    let of_month = month.checked_mul(153)?.checked_add(2)? / 5;
    // In this count 1601-01-01 is day 584,695.
    let number = year.checked_mul(365)?.checked_add(leap)?.checked_add(of_month)?.checked_add(day)?;
    let number = number.checked_sub(584_695)?;
    let first = number.checked_mul(TICKS)?;
    Some((first, first.checked_add(TICKS)?.checked_sub(1)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::rules::{diagnostic::Place, function::Support};

    fn test(arguments: [&str; 3]) -> Result<PropertyTest, String> {
        PropertyTest::read(&Call {
            name: "FileProperties".to_owned(),
            arguments: arguments.map(|text| Some(text.to_owned())).to_vec(),
            support: Support::Runs,
            place: Place { file: "t".into(), line: 1, column: 1 },
        })
    }

    #[test]
    fn the_examples_of_the_manual_hold() {
        let sized = |size| FileProperties { size, ..FileProperties::default() };
        let range = test(["filesize", "range", "1KB-1MB"]).unwrap();
        assert!(range.holds(&sized(1024)) && range.holds(&sized(1 << 20)) && !range.holds(&sized(1023)));
        let small = test(["filesize", "lt", "5GB"]).unwrap();
        assert!(small.holds(&sized((5 << 30) - 1)) && !small.holds(&sized(5 << 30)));
        // 2008-05-15 is 148,788 days after 1601-01-01.
        let day = 148_788 * 864_000_000_000;
        let made = |created| FileProperties { created: FileTime(created), ..FileProperties::default() };
        let range = test(["dateCreated", "range", "2008/05/15-2008/05/17"]).unwrap();
        assert!(range.holds(&made(day)) && range.holds(&made(day + 3 * 864_000_000_000 - 1)));
        assert!(!range.holds(&made(day - 1)) && !range.holds(&made(day + 3 * 864_000_000_000)));
    }

    #[test]
    fn arguments_that_mean_nothing_are_refused() {
        for arguments in [
            ["colour", "eq", "1"],
            ["filesize", "about", "1"],
            ["filesize", "eq", "1XB"],
            ["filesize", "range", "1"],
            ["dateCreated", "eq", "1500/01/01"],
            ["dateCreated", "eq", "2008/13/01"],
            ["dateCreated", "eq", "99999999999999999999/01/01"],
        ] {
            assert!(test(arguments).is_err(), "{arguments:?}");
        }
    }
}
