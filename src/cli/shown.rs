//! A [`Status`] in words, the same in the status window and on the terminal.

use std::time::Duration;

use super::console::bytes;
use crate::{
    nt::plural,
    record::{State, Status},
};

/// How far a step or user is. The word says it all: no meaning is in a colour only.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Running => "now",
        State::Done => "done",
        State::Stopped => "stopped",
    }
}

/// `42 %`, or what else there is to say of how much is done.
pub(super) fn share(status: &Status) -> String {
    match status.per_mille() {
        _ if status.end.as_ref().is_some_and(|end| end.is_done) => "100 %".to_owned(),
        Some(share) => format!("{} %", share / 10),
        None if status.end.is_some() => String::new(),
        None => "preparing".to_owned(),
    }
}

/// `1.2 GB of 2.9 GB`; nothing while it is not known how much there is.
pub(super) fn volume(status: &Status) -> String {
    let counts = status.counts;
    if counts.total_bytes == 0 {
        return String::new();
    }
    format!("{} of {}", bytes(counts.done_bytes.min(counts.total_bytes)), bytes(counts.total_bytes))
}

/// `1,204 of 3,210 items`.
pub(super) fn items(status: &Status) -> String {
    let counts = status.counts;
    if counts.total_items == 0 {
        return String::new();
    }
    let done = number(counts.done_items.min(counts.total_items));
    format!("{done} of {} {}", number(counts.total_items), plural(counts.total_items, "item"))
}

/// `35.1 MB/s, about 4 min left`.
pub(super) fn pace(status: &Status) -> String {
    let stopping = status.is_cancelled && status.end.is_none();
    match (status.pace, status.left) {
        _ if stopping => "stopping at the next item".to_owned(),
        (Some(pace), Some(left)) => format!("{}/s, about {} left", bytes(pace), duration(left)),
        (Some(pace), None) if pace > 0 => format!("{}/s", bytes(pace)),
        _ => String::new(),
    }
}

/// `no item failed`, or how many items failed and were skipped.
pub(super) fn errors(status: &Status) -> String {
    let skipped = format!("{} skipped", number(status.skipped as u64));
    match (status.failed, status.skipped) {
        (0, 0) => "no item failed".to_owned(),
        (0, _) => format!("no item failed, {skipped}"),
        (failed, skips) => {
            let failed = format!("{} {} failed or not whole", number(failed as u64), plural(failed, "item"));
            if skips == 0 { failed } else { format!("{failed}, {skipped}") }
        }
    }
}

/// How many of the users are done.
pub(super) fn users(status: &Status) -> String {
    let done = status.users.iter().filter(|(_, state)| *state == State::Done).count();
    match status.users.len() {
        0 => "Users".to_owned(),
        all => format!("Users: {done} of {all} done"),
    }
}

/// `42 s`, `3 min`, `1 h 20 min`.
pub(super) fn duration(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `1:02:05`, as a clock beside a run shows it.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// A number with its thousands apart.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{End, Snapshot};

    #[test]
    fn a_run_is_told_in_words() {
        let mut status = Status::default();
        assert_eq!(
            [share(&status), volume(&status), items(&status), pace(&status)],
            ["preparing", "", "", ""]
        );
        assert_eq!(errors(&status), "no item failed");
        status.counts = Snapshot {
            total_bytes: 2_900_000_000,
            done_bytes: 1_218_000_000,
            total_items: 3_210,
            done_items: 1_204,
        };
        status.pace = Some(35_100_000);
        status.left = Some(Duration::from_secs(200));
        (status.failed, status.skipped) = (1, 1_000);
        assert_eq!(share(&status), "42 %");
        assert_eq!(volume(&status), "1.2 GB of 2.9 GB");
        assert_eq!(items(&status), "1,204 of 3,210 items");
        assert_eq!(pace(&status), "35.1 MB/s, about 4 min left");
        assert_eq!(errors(&status), "1 item failed or not whole, 1,000 skipped");
        status.is_cancelled = true;
        assert_eq!(pace(&status), "stopping at the next item");
        status.end = Some(End { exit_code: 3, is_done: true, text: String::new() });
        assert_eq!(share(&status), "100 %");
    }

    #[test]
    fn times_are_readable() {
        let of = |seconds| Duration::from_secs(seconds);
        assert_eq!(
            [0, 59, 60, 61, 3_599, 3_600, 8_000].map(|s| duration(of(s))),
            ["0 s", "59 s", "1 min", "2 min", "60 min", "1 h 0 min", "2 h 13 min"]
        );
        assert_eq!([0, 61, 3_725].map(|s| clock(of(s))), ["0:00", "1:01", "1:02:05"]);
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }
}
