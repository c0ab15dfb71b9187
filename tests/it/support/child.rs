//! Starts this test binary again for one test, in a separate process. Some tests change or measure a whole
//! process: its memory, its environment, its limits, its end.

use std::any::type_name;
use std::process::{Command, Output};

/// Set in a process that runs one test alone.
const ALONE: &str = "SYNAPSE_TEST_ALONE";

/// Returns a command that starts this binary again for `test` only. The caller sets environment variables for
/// it. A test for children does nothing without them.
pub fn command<T: Fn()>(test: T) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments(test));
    command
}

/// Like [`command`], but in a shell that runs `setup` first, such as `ulimit -n 200`.
#[cfg(unix)]
pub fn command_after<T: Fn()>(setup: &str, test: T) -> Command {
    let mut command = Command::new("/bin/sh");
    let exec = format!("{setup} && exec \"$0\" \"$@\"");
    command.arg("-c").arg(exec).arg(std::env::current_exe().unwrap()).args(arguments(test));
    command
}

/// Runs a child to its end and returns its output. Fails unless the child ran its test and the test passed.
pub fn output(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let printed = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{status}: {printed}{}", String::from_utf8_lossy(&stderr));
    assert!(printed.contains("test result: ok. 1 passed"), "no test ran: {printed}");
    printed
}

/// Runs `test`, which calls this first, in a separate process. Returns `false` in that process. Returns
/// `true` in the caller's process once the test has passed.
pub fn passed_alone<T: Fn()>(test: T) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return false;
    }
    print!("{}", output(command(test).env(ALONE, "1")));
    true
}

/// Fails if there is no such test, because a child without a test would succeed.
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
