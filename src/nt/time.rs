//! [`FileTime`]: Windows' clock, 100 ns steps since 1601.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// 100 ns steps from 1601-01-01 to 1970-01-01.
const UNIX_EPOCH_TICKS: u64 = 116_444_736_000_000_000;
const TICKS_PER_SECOND: u64 = 10_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// A moment in UTC, in 100 ns steps since 1601-01-01 (`FILETIME`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileTime(pub u64);

impl FileTime {
    /// The present moment by this machine's clock, which in WinPE is often wrong.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// The first moment of a day, in UTC; none for a date that is none or before 1601.
    pub fn of_date(year: u32, month: u32, day: u32) -> Option<Self> {
        let days_in_month = match month {
            2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !(1601..=9999).contains(&year) || !(1..=days_in_month).contains(&day) {
            return None;
        }
        // Years begin on 1 March here, as in `fmt` below.
        let year = if month <= 2 { year - 1 } else { year };
        let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let days = 365 * year + year / 4 - year / 100 + year / 400 + in_year;
        Some(Self((u64::from(days) - 584_694) * SECONDS_PER_DAY * TICKS_PER_SECOND))
    }

    /// True for zero, which Windows writes where it means "never".
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whole days from this moment to `later`; zero when `later` comes first.
    pub fn days_until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0) / TICKS_PER_SECOND / SECONDS_PER_DAY
    }

    /// This moment for the operating system; clamped to what it can express.
    pub fn to_system_time(self) -> SystemTime {
        let ticks_to_duration =
            |ticks: u64| Duration::new(ticks / TICKS_PER_SECOND, (ticks % TICKS_PER_SECOND) as u32 * 100);
        match self.0.checked_sub(UNIX_EPOCH_TICKS) {
            Some(after) => UNIX_EPOCH.checked_add(ticks_to_duration(after)),
            None => UNIX_EPOCH.checked_sub(ticks_to_duration(UNIX_EPOCH_TICKS - self.0)),
        }
        .unwrap_or(UNIX_EPOCH)
    }
}

impl From<SystemTime> for FileTime {
    fn from(time: SystemTime) -> Self {
        let ticks = |d: Duration| u64::try_from(d.as_nanos() / 100).unwrap_or(u64::MAX);
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => UNIX_EPOCH_TICKS.saturating_add(ticks(after)),
            Err(before) => UNIX_EPOCH_TICKS.saturating_sub(ticks(before.duration())),
        })
    }
}

/// ISO 8601 in UTC: `2009-07-14T04:53:46.5625Z`, as many decimals as needed (none to seven). A
/// precision cuts the text: `{:.10}` is the date.
impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, fraction) = (self.0 / TICKS_PER_SECOND, self.0 % TICKS_PER_SECOND);
        let (days, in_day) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
        // Gregorian date from a day count, in eras of 400 years that begin on 1 March, so that the leap day comes
        // last. 1601-01-01 is day 584,694 counted from 0000-03-01.
        let z = days + 584_694;
        let (era, doe) = (z / 146_097, z % 146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = era * 400 + yoe + u64::from(month <= 2);
        let (h, m, s) = (in_day / 3_600, in_day / 60 % 60, in_day % 60);
        let decimals = if fraction == 0 { String::new() } else { format!(".{fraction:07}") };
        let decimals = decimals.trim_end_matches('0');
        f.pad(&format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}{decimals}Z"))
    }
}

impl fmt::Debug for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_gregorian() {
        assert_eq!(FileTime(0).to_string(), "1601-01-01T00:00:00Z");
        assert_eq!(FileTime(UNIX_EPOCH_TICKS).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(FileTime(128_920_442_265_625_000).to_string(), "2009-07-14T11:23:46.5625Z");
        assert_eq!(FileTime(125_963_423_999_999_999).to_string(), "2000-02-29T23:59:59.9999999Z");
        assert_eq!(format!("{:.10}", FileTime(UNIX_EPOCH_TICKS)), "1970-01-01");
        let _ = FileTime(u64::MAX).to_string();
    }

    #[test]
    fn the_system_clock_goes_both_ways() {
        for ticks in [0, 1, UNIX_EPOCH_TICKS, 133_000_000_000_000_007] {
            assert_eq!(FileTime::from(FileTime(ticks).to_system_time()), FileTime(ticks));
        }
    }

    #[test]
    fn a_date_is_its_first_moment() {
        for (date, text) in [
            ((1601, 1, 1), "1601-01-01T00:00:00Z"),
            ((2000, 2, 29), "2000-02-29T00:00:00Z"),
            ((2024, 7, 31), "2024-07-31T00:00:00Z"),
            ((9999, 12, 31), "9999-12-31T00:00:00Z"),
        ] {
            assert_eq!(FileTime::of_date(date.0, date.1, date.2).unwrap().to_string(), text);
        }
        for (year, month, day) in [(1600, 12, 31), (2023, 2, 29), (2024, 13, 1), (2024, 0, 1), (2024, 4, 31)]
        {
            assert_eq!(FileTime::of_date(year, month, day), None);
        }
    }
}
