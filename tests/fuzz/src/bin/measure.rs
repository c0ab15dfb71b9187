//! Runs a target in a separate process, so that nothing else is counted, and prints the costs of its inputs.
//!
//! ```text
//! measure hostile INPUT SIZE FROM      for each target from this one on: bytes, allocations and steps of this input and of one four
//!                                      times as large, a line each
//! measure random TARGET FROM TO        runs these cases, and prints the first that costs too much
//! measure show TARGET CASE             writes the input
//! measure file TARGET PATH             runs the input in a file
//! ```
//! If it crashes, the last lines of its output name the input.

#![cfg(fuzzing)]

use std::alloc::System;
use std::io::Write;
use std::process::exit;
use std::sync::atomic::Ordering;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use synapse_fuzz::hostile::HOSTILE;
use synapse_fuzz::rules::Cost;
use synapse_fuzz::steps::{STEPS, WATCH};
use synapse_fuzz::targets::STACK;
use synapse_fuzz::{TARGETS, Target, random};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The limits of a run, in steps and in bytes that are allocated at a time.
const MOST_STEPS: u64 = 1 << 29;
const MOST_HELD: usize = 2 << 30;

/// Ends the process if a run would take too long.
fn watch(steps: u64) {
    let stats = ALLOCATOR.stats();
    if steps > MOST_STEPS {
        give_up(&format!("{steps} steps"));
    }
    let held = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
    if held > MOST_HELD {
        give_up(&format!("it held {held} bytes"));
    }
}

#[cold]
fn give_up(after: &str) -> ! {
    println!("given up after {after}");
    exit(3)
}

fn cost(target: &Target, input: &[u8]) -> Cost {
    // One-time initialization isn't counted.
    (target.run)(b"{}");
    STEPS.store(0, Ordering::Relaxed);
    let before = ALLOCATOR.stats();
    (target.run)(input);
    let steps = STEPS.load(Ordering::Relaxed);
    Cost { steps, ..Cost::between(before, ALLOCATOR.stats()) }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [what, name, rest @ ..] = &arguments[..] else { panic!("of what?") };
    let target = || TARGETS.iter().find(|one| one.name == *name).expect("there is such a target");
    let number = |index: usize| rest[index].parse::<usize>().expect("a number");
    WATCH.get_or_init(|| watch);
    std::thread::scope(|scope| {
        let work = || match *what {
            "hostile" => hostile(name, number(0), &TARGETS[number(1)..]),
            "random" => (number(0)..number(1)).for_each(|case| self::case(target(), case as u64)),
            "show" => std::io::stdout()
                .write_all(&random::input(target(), number(0) as u64))
                .expect("it can be written"),
            "file" => {
                let input = std::fs::read(rest[0]).expect("it can be read");
                println!("{:?} for {} bytes", cost(target(), &input), input.len());
            }
            _ => panic!("what?"),
        };
        let thread =
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("a thread");
        if thread.join().is_err() {
            exit(1);
        }
    });
}

fn hostile(name: &str, size: usize, targets: &[Target]) {
    let hostile = HOSTILE.iter().find(|one| one.name == name).expect("there is such an input");
    let inputs = [size, 4 * size].map(hostile.make);
    for target in targets {
        println!("target {}", target.name);
        for input in &inputs {
            println!("size {}", input.len());
            let cost = cost(target, input);
            println!("cost {} {} {}", cost.bytes, cost.allocations, cost.steps);
        }
    }
}

fn case(target: &Target, case: u64) {
    let input = random::input(target, case);
    println!("case {case}");
    if let Some(problem) = cost(target, &input).problem(input.len()) {
        println!("too much: {problem}");
        exit(2);
    }
}
