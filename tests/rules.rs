//! Rule files: what they mean, what is wrong with them, and that the real ones are read.

mod builtins;
mod carried;
pub(crate) mod corpus;
mod evaluate;
mod facts;
mod files;
mod hostile;
#[cfg(target_os = "linux")]
mod injected;
mod naive;
mod precedence;
mod shipped;
mod speed;
mod templates;
