//! The maintainers' commands: what a change of the API's document means, whether all of the document is
//! covered, and what the crate's public API is.

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

/// What maintainers ask when the API changes.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Questions about the API's document.
    #[command(subcommand)]
    Spec(Spec),
    /// Checks the folders of the handwritten layer: which knows which, and how large their files and
    /// those of the generation are.
    ///
    /// Exit codes: 0 all is well, 1 something was found, 2 it couldn't be checked.
    Rooms {
        /// The handwritten layer's root [default: src/lib.rs].
        #[arg(long, value_name = "FILE")]
        src: Option<PathBuf>,
    },
    /// Compares the crate's public API with its committed text.
    ///
    /// Exit codes: 0 the same, 1 another one, 2 it couldn't be told.
    PublicApi {
        /// Writes the text anew.
        #[arg(long)]
        bless: bool,
        /// The committed text [default: xtask/public-api.txt].
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum Spec {
    /// Tells what differs between two documents, what of it breaks users of the crate, and which handwritten
    /// methods it touches.
    ///
    /// Exit codes: 0 nothing that breaks, 1 something that does, 2 they couldn't be compared.
    Diff {
        /// A document (OpenAPI 3.0, YAML or JSON), or `git:REV` for the project's own at that revision.
        old: String,
        /// The other one.
        #[arg(default_value = project::DOCUMENT)]
        new: String,
        /// The handwritten layer's root [default: src/lib.rs].
        #[arg(long, value_name = "FILE")]
        src: Option<PathBuf>,
    },
    /// Checks a document: by the linter, that the handwritten layer calls each operation, and that the test
    /// backend answers each.
    ///
    /// Exit codes: 0 all is well, 1 something was found, 2 it couldn't be checked.
    Check {
        /// A document, as `diff` takes it.
        #[arg(default_value = project::DOCUMENT)]
        document: String,
        /// Leaves out the linter, which needs npm.
        #[arg(long)]
        no_lint: bool,
        /// The handwritten layer's root [default: src/lib.rs].
        #[arg(long, value_name = "FILE")]
        src: Option<PathBuf>,
        /// The operations that no handwritten code calls, with the reasons [default: xtask/uncovered.toml].
        #[arg(long, value_name = "FILE")]
        uncovered: Option<PathBuf>,
    },
}

/// What a command found; an error is one that couldn't find out.
pub enum Outcome {
    Well,
    Findings,
}

fn main() -> ExitCode {
    if let Some(code) = rustdoc::stand_in() {
        return code;
    }
    let outcome = match Arguments::parse().command {
        Command::Spec(Spec::Diff { old, new, src }) => diff::run(&old, &new, src.as_deref()),
        Command::Spec(Spec::Check { document, no_lint, src, uncovered }) => {
            check::run(&document, no_lint, src.as_deref(), uncovered.as_deref())
        }
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
