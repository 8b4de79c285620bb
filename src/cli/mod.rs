//! The command line: the only place that knows arguments, a terminal and exit codes.
//!
//! Each verb has a file whose `run` reads as its story. Stages return values and errors; here they become text or
//! JSON, and one exit code.

mod args;
mod auto;
mod choices;
mod console;
mod demo;
mod error;
mod estimate;
mod exit;
mod explain;
mod export;
mod extract;
mod faces;
mod files;
mod first_start;
mod in_place;
mod inject;
mod inspect;
mod interrupt;
mod locked;
mod moved;
mod network;
mod password;
mod planned;
mod prune;
mod reg;
mod rules;
mod session;
mod shown;
mod source;
mod store;
mod task_sequence;
mod terminal;
mod users;
mod watch;
mod window;

use std::{ffi::OsString, process::ExitCode};

use clap::error::ErrorKind;

use args::{Arguments, Verb};
use console::Console;
use error::UserError;
pub use exit::Exit;

use crate::taskseq::{self, Environment};

/// Runs the program: one verb, and the exit code that says how it ended.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    interrupt::listen();
    let words: Vec<OsString> = args.collect();
    if let Some(code) = faces::run(&words) {
        return code.into();
    }
    let mut arguments = match Arguments::read(words.iter().cloned()) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, words.iter().any(|word| word == "--json")).into(),
    };
    arguments.output.told_as.command_line =
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    perform(arguments, verb).into()
}

/// Opens what a run speaks through, runs the verb, and says how it ended; with what the task sequence knows, where there is
/// one.
fn perform(mut arguments: Arguments, run: impl FnOnce(&Console, &Verb) -> Result<Exit, UserError>) -> Exit {
    let environment = taskseq::current();
    let environment = environment.as_ref().map(|environment| environment as &dyn Environment);
    if let Some(environment) = environment {
        task_sequence::defaults(environment, &mut arguments);
        let sessions = &mut arguments.output.sessions;
        *sessions = sessions.take().or_else(|| session::folder("coldstate"));
    }
    let (console, result) = match Console::open(&arguments.output) {
        Ok(console) => {
            let result = in_task_sequence(&console, &arguments, environment, run);
            (console, result)
        }
        Err(error) => (Console::without_log(&arguments.output), Err(error)),
    };
    let result = result.and_then(|exit| console.printed().map(|()| exit));
    if let Err(error) = &result {
        console.error(error);
    }
    let exit = console.end(&result);
    if let Some(environment) = environment {
        task_sequence::report(environment, &console, &arguments.verb, exit);
    }
    exit
}

/// Runs the verb, once the shares that it needs are reached and a danger that the task sequence is to it was told.
fn in_task_sequence(
    console: &Console,
    arguments: &Arguments,
    environment: Option<&dyn Environment>,
    run: impl FnOnce(&Console, &Verb) -> Result<Exit, UserError>,
) -> Result<Exit, UserError> {
    let danger = environment.and_then(|environment| task_sequence::danger(environment, &arguments.verb));
    danger.iter().for_each(|danger| console.warn(danger));
    let _connection = network::connect(console, arguments, environment)?;
    run(console, &arguments.verb)
}

fn verb(console: &Console, verb: &Verb) -> Result<Exit, UserError> {
    match verb {
        Verb::Inspect(args) => inspect::run(console, args),
        Verb::Ls(args) => files::ls(console, args),
        Verb::Cat(args) => files::cat(console, args),
        Verb::Reg(args) => reg::run(console, args),
        Verb::Extract(args) => extract::run(console, args),
        Verb::Estimate(args) => estimate::run(console, args),
        Verb::List(args) => store::list(console, args),
        Verb::Show(args) => store::show(console, args),
        Verb::Verify(args) => store::verify(console, args),
        Verb::Export(args) => export::run(console, args),
        Verb::Inject(args) => inject::run(console, args),
        Verb::Forget(args) => prune::forget(console, args),
        Verb::Prune(args) => prune::prune(console, args),
        Verb::Rules(args::Rules::Check(args)) => rules::check(console, args),
        Verb::Rules(args::Rules::Explain(args)) => explain::run(console, args),
        Verb::Rules(args::Rules::Schema) => rules::schema(console),
        Verb::FirstStart(args) => first_start::run(console, args),
        Verb::Technician => terminal::run(console),
        Verb::Demo(args) => demo::run(console, args),
    }
}

/// Help and version are what was asked for; anything else is a mistake in the arguments.
fn usage(error: &clap::Error, wants_json: bool) -> Exit {
    let _ = error.print();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Exit::Done;
    }
    let console = Console::without_log(&args::Output { json: wants_json, ..args::Output::default() });
    console.json(&UserError::from_arguments(error).to_json());
    Exit::BadArguments
}
