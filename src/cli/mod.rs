//! The command line: the only place that knows arguments, a terminal and exit codes.
//!
//! Each verb has a file whose `run` reads as its story. Stages return values and errors; here they become text or
//! JSON, and one exit code.

mod args;
mod console;
mod demo;
mod error;
mod exit;
mod export;
mod extract;
mod files;
mod inject;
mod inspect;
mod interrupt;
mod reg;
mod source;
mod store;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, error::ErrorKind};

use args::{Arguments, Verb};
use console::Console;
use error::UserError;
pub use exit::Exit;

/// Runs the program: one verb, and the exit code that says how it ended.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error).into(),
    };
    let outcome = Console::open(&arguments.output).map_err(|error| (Console::plain(), error));
    let (console, result) = match outcome {
        Ok(console) => {
            let result = verb(&console, &arguments.verb);
            (console, result)
        }
        Err((console, error)) => (console, Err(error)),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            console.error(&error);
            error.exit.into()
        }
    }
}

fn verb(console: &Console, verb: &Verb) -> Result<Exit, UserError> {
    match verb {
        Verb::Inspect(args) => inspect::run(console, args),
        Verb::Ls(args) => files::ls(console, args),
        Verb::Cat(args) => files::cat(console, args),
        Verb::Reg(args) => reg::run(console, args),
        Verb::Extract(args) => extract::run(console, args),
        Verb::List(args) => store::list(console, args),
        Verb::Show(args) => store::show(console, args),
        Verb::Verify(args) => store::verify(console, args),
        Verb::Export(args) => export::run(console, args),
        Verb::Inject(args) => inject::run(console, args),
        Verb::Demo(args) => demo::run(console, args),
    }
}

/// Help and version are what was asked for; anything else is a mistake in the arguments.
fn usage(error: &clap::Error) -> Exit {
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::BadArguments,
    }
}
