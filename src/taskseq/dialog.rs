//! [`ProgressDialog`]: the progress dialog of the task sequence, which the person at the machine looks at.
//!
//! It belongs to another process, is absent in many phases (no one logged on, before the sequence begins), and must never
//! hold up a run: everything that fails is passed over.
//!
//! Reference: Microsoft, Configuration Manager SDK, "IProgressUI::ShowActionProgress".

use super::Environment;
use crate::sys::com::{Object, Value};

const PROG_ID: &str = "Microsoft.SMS.TsProgressUI";
/// The dialog counts in parts of this.
const WHOLE: u64 = 1000;

/// What the dialog shows beside our own text, as the task sequence says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    organisation: String,
    sequence: String,
    title: String,
    action: String,
    step: i32,
    steps: i32,
}

impl Heading {
    /// Reads it; none where the task sequence shows no dialog.
    pub fn of(environment: &dyn Environment) -> Option<Self> {
        let is = |name| environment.is_true(name);
        let media = environment.get("_SMSTSLaunchMode").is_some_and(|mode| {
            ["CD", "DVD", "USB", "UFD"].iter().any(|kind| mode.to_ascii_uppercase().starts_with(kind))
        });
        let shown = is("_SMSTSInWinPE")
            || is("_SMSTSReturnToGINA")
            || is("_SMSTSStandAloneMode")
            || is("_SMSTSShowProgressUI")
            || media;
        let text = |name| environment.get(name).unwrap_or_default();
        let number = |name| environment.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        shown.then(|| Self {
            organisation: text("_SMSTSOrgName"),
            sequence: text("_SMSTSPackageName"),
            title: text("_SMSTSCustomProgressDialogMessage"),
            action: text("_SMSTSCurrentActionName"),
            step: number("_SMSTSNextInstructionPointer"),
            steps: number("_SMSTSInstructionTableSize"),
        })
    }
}

/// The dialog; to be used on the thread that opened it.
pub struct ProgressDialog {
    dialog: Object,
    heading: Heading,
}

impl ProgressDialog {
    /// Finds the dialog; none when there is none.
    pub fn open(heading: &Heading) -> Option<Self> {
        Some(Self { dialog: Object::create(PROG_ID)?, heading: heading.clone() })
    }

    /// Shows what is at work, and how much of it is done.
    pub fn show(&self, text: &str, done: u64, total: u64) {
        let Heading { organisation, sequence, title, action, step, steps } = &self.heading;
        let part = done.min(total).saturating_mul(WHOLE).checked_div(total).unwrap_or(0);
        let number = |number: u64| Value::Number(i32::try_from(number).unwrap_or(i32::MAX));
        self.dialog.call(
            "ShowActionProgress",
            &[
                Value::Text(organisation),
                Value::Text(sequence),
                Value::Text(title),
                Value::Text(action),
                Value::Number(*step),
                Value::Number(*steps),
                Value::Text(text),
                number(part),
                number(WHOLE),
            ],
        );
    }
}

/// Closes the dialog, which would cover a window of ours. The task sequence shows it again with its next step.
pub fn close_progress_dialog() {
    if let Some(dialog) = Object::create(PROG_ID) {
        dialog.call("CloseProgressDialog", &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::environment::Variables, *};

    #[test]
    fn the_dialog_is_used_where_the_sequence_shows_one() {
        let heading = |values: &[(&str, &str)]| Heading::of(&Variables::new(values));
        assert_eq!(heading(&[("_SMSTSInWinPE", "false"), ("_SMSTSLaunchMode", "SMS")]), None);
        for shown in
            [("_SMSTSInWinPE", "TRUE"), ("_SMSTSLaunchMode", "UFD+FORMAT"), ("_SMSTSShowProgressUI", "true")]
        {
            assert_eq!(heading(&[shown]), Some(Heading::default()), "{shown:?}");
        }
        let told = heading(&[
            ("_SMSTSInWinPE", "true"),
            ("_SMSTSOrgName", "Contoso"),
            ("_SMSTSPackageName", "Refresh"),
            ("_SMSTSCustomProgressDialogMessage", "Please wait"),
            ("_SMSTSCurrentActionName", "Extract"),
            ("_SMSTSNextInstructionPointer", "7"),
            ("_SMSTSInstructionTableSize", "many"),
        ]);
        let expected = Heading {
            organisation: "Contoso".into(),
            sequence: "Refresh".into(),
            title: "Please wait".into(),
            action: "Extract".into(),
            step: 7,
            steps: 0,
        };
        assert_eq!(told, Some(expected));
    }
}
