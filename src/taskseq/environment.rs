//! [`Environment`]: the variables of the task sequence that runs this program.
//!
//! ConfigMgr and MDT give them by the COM object `Microsoft.SMS.TSEnvironment`, which exists only while a task sequence
//! runs, and only for programs of the bitness of its engine. Without it there is no task sequence, and nothing here does
//! anything.

use crate::sys::com::Object;

/// Variables by name, without case.
pub trait Environment {
    /// A variable; none when it is not set, or empty, which the object does not tell apart.
    fn get(&self, name: &str) -> Option<String>;

    /// Sets a variable. One that cannot be set must not end a run.
    fn set(&self, name: &str, value: &str);

    /// True when a variable says `true`.
    fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// The task sequence that runs this program; none when none does.
pub fn current() -> Option<impl Environment> {
    Object::create("Microsoft.SMS.TSEnvironment").map(TaskSequence)
}

/// The object, of a running task sequence.
struct TaskSequence(Object);

impl Environment for TaskSequence {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get("Value", name).filter(|value| !value.is_empty())
    }

    fn set(&self, name: &str, value: &str) {
        self.0.put("Value", name, value);
    }
}

/// Variables in memory, and which of them were asked for.
#[cfg(test)]
#[derive(Debug, Default)]
pub struct Variables {
    values: std::cell::RefCell<std::collections::BTreeMap<String, String>>,
    asked: std::cell::RefCell<std::collections::BTreeSet<String>>,
}

#[cfg(test)]
impl Variables {
    /// A task sequence with these.
    pub fn new(values: &[(&str, &str)]) -> Self {
        let variables = Self::default();
        values.iter().for_each(|(name, value)| variables.set(name, value));
        variables
    }

    /// Every name that was asked for or set.
    pub fn names(&self) -> std::collections::BTreeSet<String> {
        let values = self.values.borrow();
        self.asked.borrow().iter().chain(values.keys()).cloned().collect()
    }
}

#[cfg(test)]
impl Environment for Variables {
    fn get(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.values.borrow().get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn set(&self, name: &str, value: &str) {
        self.values.borrow_mut().insert(name.to_owned(), value.to_owned());
    }
}
