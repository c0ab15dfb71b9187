//! Measures the costs of inputs: `cargo test --release` in `tests/fuzz`.
//!
//! Inputs run in separate processes (`measure`), on a thread with 512 KiB of stack, so recursion over an
//! input's depth is found too. An input may allocate 80 times its size plus 1 MiB. A hostile input of four
//! times the size may cost six times as many allocations and steps (executed basic blocks). The results
//! don't depend on a clock.

#![cfg(fuzzing)]

use std::fmt::Write;
use std::process::{Command, Output};

use synapse_fuzz::TARGETS;
use synapse_fuzz::hostile::HOSTILE;
use synapse_fuzz::rules::Cost;

/// The size of the smaller of two hostile inputs. It is large enough to show quadratic costs.
const SIZE: usize = 48 << 10;

/// The number of random cases, over all targets.
const CASES: u64 = 20_000;

fn measure(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_measure")).args(arguments).output().expect("it can be run")
}

/// Returns why a process ended early, with the last lines of its output.
fn last_words(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    let cause =
        errors.lines().find(|line| line.contains("overflowed its stack") || line.contains("panicked at"));
    let message = errors.lines().skip_while(|line| !line.contains("panicked at")).nth(1).unwrap_or_default();
    let given_up = String::from_utf8_lossy(&output.stdout)
        .lines()
        .find(|line| line.starts_with("given up"))
        .map(str::to_owned);
    let mut words = given_up.or(cause.map(str::to_owned)).unwrap_or_else(|| output.status.to_string());
    write!(words, " {message}").expect("it can be written");
    words.chars().take(300).collect()
}

/// Returns what is wrong with the costs of a target's inputs of these sizes. `None` if all are within the
/// limits.
fn problem(sizes: &[u64], costs: &[Cost]) -> Option<String> {
    let ([_, size], [quarter, whole]) = (sizes, costs) else { panic!("two inputs are measured") };
    whole.problem(*size as usize).or_else(|| whole.growth_problem(quarter))
}

/// Runs every target with the input.
fn hostile(name: &str) {
    let mut problems = Vec::new();
    let mut from = 0;
    while from < TARGETS.len() {
        let output = measure(&["hostile", name, &SIZE.to_string(), &from.to_string()]);
        let output_text = String::from_utf8_lossy(&output.stdout);
        let mut targets = output_text.split("target ").skip(1).peekable();
        assert!(targets.peek().is_some(), "{}", last_words(&output));
        while let Some(of_target) = targets.next() {
            let numbers = |word: &str| -> Vec<Vec<u64>> {
                let lines = of_target.lines().filter_map(|line| line.strip_prefix(word));
                lines
                    .map(|line| line.split_whitespace().filter_map(|number| number.parse().ok()).collect())
                    .collect()
            };
            let sizes = numbers("size ").concat();
            let problem = match targets.peek() {
                None if !output.status.success() => {
                    Some(format!("{} bytes of input: {}", sizes.last().unwrap_or(&0), last_words(&output)))
                }
                _ => {
                    let cost = |cost: Vec<u64>| Cost { bytes: cost[0], allocations: cost[1], steps: cost[2] };
                    problem(&sizes, &numbers("cost ").into_iter().map(cost).collect::<Vec<_>>())
                }
            };
            problems.extend(problem.map(|problem| format!("{name}, {}: {problem}", TARGETS[from].name)));
            from += 1;
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Runs every target with its share of the cases, which are the same in each run.
fn random(name: &str) {
    let share = CASES.div_ceil(TARGETS.len() as u64);
    let mut problems = Vec::new();
    let mut from = 0;
    while from < share && problems.len() < 5 {
        let output = measure(&["random", name, &from.to_string(), &share.to_string()]);
        if output.status.success() {
            break;
        }
        let output_text = String::from_utf8_lossy(&output.stdout);
        let case = output_text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("case "))
            .expect("a case")
            .parse::<u64>()
            .expect("a number");
        let problem = output_text
            .lines()
            .find_map(|line| line.strip_prefix("too much: "))
            .map_or_else(|| last_words(&output), str::to_owned);
        problems.push(format!("case {case} (`measure show {name} {case}` writes it): {problem}"));
        from = case + 1;
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

macro_rules! hostile {
    ($($name:ident)*) => {
        mod hostile_inputs {
            $(#[test] fn $name() { super::hostile(stringify!($name)); })*
        }

        #[test]
        fn each_hostile_input_has_a_test() {
            assert_eq!(HOSTILE.iter().map(|hostile| hostile.name).collect::<Vec<_>>(), [$(stringify!($name)),*]);
        }
    };
}

macro_rules! random {
    ($($name:ident)*) => {
        mod cases_by_chance {
            $(#[test] fn $name() { super::random(stringify!($name)); })*
        }

        #[test]
        fn each_target_has_a_test() {
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), [$(stringify!($name)),*]);
        }
    };
}

hostile! {
    open_arrays closed_arrays open_objects closed_objects deep_fields deep_items deep_names long_key long_keys field_errors
    nested_lists long_message zeros zero_items empty_items items_of_wrong_type items_with_a_null one_bad_item doubled_items
    half_pairs half_pairs_in_a_text half_pairs_in_a_key broken_escapes control_characters text_for_a_number
    text_for_an_items_number text_for_a_count long_number long_fraction numbers_out_of_range long_id failing_urls
    long_failing_urls overlapping_places many_urls a_list_on_the_way doubled_keys doubled_results many_fields white_space
    lines titles title_of_many_lines storage_errors urls queries user_infos quotes backslashes quoted_urls escapes tokens
    tokens_in_fields beginnings_of_tokens long_link dots_in_a_link data_uri long_checkpoint long_query
    long_link_of_a_checkpoint long_session many_digests many_responses long_headers cache_lines cache_versions cache_long_line
    signed_queries spaces digits any_text
}

random! {
    error_shown error_fields error_json page_typed page_typed_skipping page_own page_own_skipping page_raw page_raw_distinct item_typed
    item_shown json_value json_lookup json_shown json_equal file_shapes related converted_item converted_page links file_urls
    sessions checkpoints courses response_heads cache_index cache_files cache_leases cache_names redaction credentials retry_after
    timestamps
}
