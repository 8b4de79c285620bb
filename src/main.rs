//! The `coldstate` program: parses arguments, runs one verb, returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    coldstate::cli::run(std::env::args_os())
}
