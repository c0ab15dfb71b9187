//! Runs the real program on a test's own files.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// The output and the exit code of the program.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn xtask(arguments: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub struct Files(TempDir);

impl Files {
    pub fn new() -> Self {
        Files(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    pub fn document(&self, name: &str, document: &Value) -> String {
        self.write(name, &document.to_string())
    }
}
