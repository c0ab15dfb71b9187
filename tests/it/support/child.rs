//! This test binary, started again as a process of its own for one test: for what is a whole process's.

use std::any::type_name;
use std::process::{Command, Output};

/// Set where a test has its process for itself.
const ALONE: &str = "SYNAPSE_TEST_ALONE";

/// Starts this binary again for `test`, which is there, and for no other. What it is to do there it finds in
/// its environment: without, it does nothing.
pub fn command<T: Fn()>(test: T) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments(test));
    command
}

/// As [`command`], by a shell that does `setup` before: `ulimit -n 200`.
#[cfg(unix)]
pub fn command_after<T: Fn()>(setup: &str, test: T) -> Command {
    let mut command = Command::new("/bin/sh");
    let exec = format!("{setup} && exec \"$0\" \"$@\"");
    command.arg("-c").arg(exec).arg(std::env::current_exe().unwrap()).args(arguments(test));
    command
}

/// Runs a child to its end: it found its test, which passed. Gives what it printed.
pub fn output(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let told = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{status}: {told}{}", String::from_utf8_lossy(&stderr));
    assert!(told.contains("test result: ok. 1 passed"), "it ran no test: {told}");
    told
}

/// Runs `test`, which calls this first, in a process of its own. True where that is done, and the caller isn't
/// in that process.
pub fn passed_alone<T: Fn()>(test: T) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return false;
    }
    print!("{}", output(command(test).env(ALONE, "1")));
    true
}

/// A test that is renamed or moved would leave a child that runs nothing, and passes.
fn arguments<T: Fn()>(_: T) -> [&'static str; 3] {
    let (_, name) = type_name::<T>().split_once("::").unwrap();
    let listed = Command::new(std::env::current_exe().unwrap()).args(["--list", "--exact", name]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    assert!(listed.lines().any(|line| line == format!("{name}: test")), "there is no test {name}: {listed}");
    ["--exact", name, "--nocapture"]
}

#[test]
fn child_that_runs_no_test_is_a_failure() {
    fn not_a_test() {}
    let fails = |work: fn()| std::panic::catch_unwind(work).is_err();
    assert!(fails(|| drop(command(not_a_test))));
    let nothing =
        || drop(output(Command::new(std::env::current_exe().unwrap()).args(["--exact", "nothing"])));
    assert!(fails(nothing));
}
