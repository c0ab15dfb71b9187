//! The maintainers' commands: the effects of a changed API document, the checks of a document, and the crate's
//! public API.

mod check;
mod diff;
mod document;
mod handwritten;
mod project;
mod public_api;
mod rooms;
mod rustdoc;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Maintainers' commands for changes of the API.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Commands about the API's document.
    #[command(subcommand)]
    Spec(Spec),
    /// Checks the folders of the handwritten layer: their dependencies, the sizes of their files, and names.
    ///
    /// Exit codes: 0 no findings, 1 findings, 2 the check failed.
    Rooms {
        /// The root of the handwritten layer [default: src/lib.rs].
        #[arg(long, value_name = "FILE")]
        src: Option<PathBuf>,
    },
    /// Compares the crate's public API with its committed text.
    ///
    /// Exit codes: 0 the same, 1 different, 2 the comparison failed.
    PublicApi {
        /// Writes the committed text again.
        #[arg(long)]
        bless: bool,
        /// The committed text [default: xtask/public-api.txt].
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum Spec {
    /// Lists the differences between two documents, which of them break users of the crate, and which methods
    /// they touch.
    ///
    /// Exit codes: 0 no breaking change, 1 a breaking change, 2 the comparison failed.
    Diff {
        /// A document (OpenAPI 3.0 or 3.1, YAML or JSON), a folder of its files, or `git:REV` for the project's own
        /// at that revision.
        old: String,
        /// The new document.
        #[arg(default_value = project::DOCUMENT)]
        new: String,
        /// The root of the handwritten layer [default: src/lib.rs].
        #[arg(long, value_name = "FILE")]
        src: Option<PathBuf>,
    },
    /// Prints a document, whose files are joined, as JSON.
    Join {
        /// A document, in the same form as for `diff`.
        #[arg(default_value = project::DOCUMENT)]
        document: String,
    },
    /// Checks a document: with the linter, that each operation can have a method, and that the test backend
    /// implements each.
    ///
    /// Exit codes: 0 no findings, 1 findings, 2 the check failed.
    Check {
        /// A document, in the same form as for `diff`.
        #[arg(default_value = project::DOCUMENT)]
        document: String,
        /// Skips the linter, which needs npm.
        #[arg(long)]
        no_lint: bool,
    },
}

/// The result of a command that ran. An error means that it could not run.
pub enum Outcome {
    Well,
    Findings,
}

fn main() -> ExitCode {
    if let Some(code) = rustdoc::run_as_wrapper() {
        return code;
    }
    let outcome = match Arguments::parse().command {
        Command::Spec(Spec::Diff { old, new, src }) => diff::run(&old, &new, src.as_deref()),
        Command::Spec(Spec::Join { document }) => document::joined(&document).map(|document| {
            println!("{document:#}");
            Outcome::Well
        }),
        Command::Spec(Spec::Check { document, no_lint }) => check::run(&document, no_lint),
        Command::Rooms { src } => rooms::run(src.as_deref()),
        Command::PublicApi { bless, file } => public_api::run(bless, file),
    };
    match outcome {
        Ok(Outcome::Well) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::from(2)
        }
    }
}
