//! Finds names that have been replaced by the field's standard term.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::idents;
use super::sources::Source;

/// Replaced words in snake case, each with its replacement. They count as a part of a name as well:
/// `last_piece`, `PieceReader`, `PIECE`.
const WORDS: [(&str, &str); 33] = [
    ("anew", "restart"),
    ("any_request", "custom_request"),
    ("as_sent", "no_decompression"),
    ("astray", "discard_prefetched"),
    ("begun", "last_lookup"),
    ("cache_at", "cache_location"),
    ("come_on", "advance"),
    ("elsewhere", "allow_cross_origin"),
    ("facts", "file_record"),
    ("files_progress", "batch_progress"),
    ("foreign_url", "cross_origin"),
    ("fresh", "new_connection"),
    ("heard", "observed"),
    ("judge", "compare"),
    ("list_event", "list_anomaly"),
    ("list_query", "query_fingerprint"),
    ("max_requests_in_flight", "max_concurrent_requests"),
    ("mended", "repaired"),
    ("not_unpacked", "content_error"),
    ("one_shot_source", "stream_source"),
    ("packed", "compressed"),
    ("piece", "chunk"),
    ("pieces", "chunks"),
    ("retry_unknown_outcome", "idempotent"),
    ("secret_header", "sensitive_header"),
    ("sent_body", "request_body"),
    ("set_out", "fill_window"),
    ("settle", "poll_completion"),
    ("side_by_side", "run_concurrently"),
    ("stand_in", "placeholder"),
    ("take_up", "restore"),
    ("told", "reported"),
    ("unpacking", "content_decoder"),
];

/// Replaced names with common words, each with its replacement. They count only as a whole name, because
/// others with such a word are good: `so_far`, `and_then`, `read_ahead`, `bytes_received`.
const NAMES: [(&str, &str); 17] = [
    ("Answered", "ResponseParts"),
    ("Downloaded", "DownloadedFile"),
    ("Meter", "ByteCounter"),
    ("Outgoing", "TransportRequest"),
    ("Received", "IncomingResponse"),
    ("Related", "Expandable"),
    ("Reopen", "RewindableSource"),
    ("Sum", "DigestValue"),
    ("Then", "Next"),
    ("ahead", "prefetch"),
    ("course", "plan"),
    ("current_page", "page_cursor"),
    ("distinct", "deduplicate"),
    ("durable", "fsync"),
    ("far", "saturating_deadline"),
    ("feed", "chunk_source"),
    ("lose", "mark_unrecoverable"),
];

/// Reports each replaced name in the code, tests included, with the files that contain it.
pub fn problems(sources: &[Source]) -> Vec<String> {
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for source in sources {
        let mut names: BTreeSet<String> = idents(source.code.clone()).into_iter().collect();
        names.extend(source.name.trim_end_matches(".rs").split('/').map(str::to_owned));
        for problem in names.iter().filter_map(|name| problem(name.trim_start_matches("r#"))) {
            found.entry(problem).or_default().insert(&source.name);
        }
    }
    let files = |files: BTreeSet<&str>| files.into_iter().collect::<Vec<_>>().join(", ");
    found.into_iter().map(|(problem, in_files)| format!("{problem} ({})", files(in_files))).collect()
}

/// Returns what is wrong with a name.
fn problem(name: &str) -> Option<String> {
    let snake_case = snake_case(name);
    let has = |word: &str| format!("_{snake_case}_").contains(&format!("_{word}_"));
    if let Some((_, better)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(format!("the name `{name}`: use `{better}`"));
    }
    let (word, better) = WORDS.iter().find(|(word, _)| has(word))?;
    Some(match name == *word {
        true => format!("the name `{name}`: use `{better}`"),
        false => format!("the name `{name}`: use `{better}` for `{word}`"),
    })
}

/// Returns a name in snake case: `piece_reader` for `PieceReader`.
fn snake_case(name: &str) -> String {
    let mut snake_case = String::new();
    let mut characters = name.chars().peekable();
    let mut before = '_';
    while let Some(character) = characters.next() {
        let begins_word = character.is_uppercase()
            && (before.is_lowercase()
                || before.is_numeric()
                || (before.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase())));
        if begins_word {
            snake_case.push('_');
        }
        snake_case.extend(character.to_lowercase());
        before = character;
    }
    snake_case
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.to_owned(), code: text.parse().unwrap() }
    }

    #[test]
    fn forbidden_names_found_in_code_only() {
        let text = "/// The course of it.\nfn f() { let text = \"Sending\"; self.settle(); }";
        assert_eq!(
            problems(&[source("src/ahead.rs", text)]),
            [
                "the name `ahead`: use `prefetch` (src/ahead.rs)",
                "the name `settle`: use `poll_completion` (src/ahead.rs)"
            ]
        );
    }

    #[test]
    fn forbidden_words_found_in_longer_names() {
        let text = "struct PieceReader { last_piece: u8, pieces_read: [u8; PIECE] } fn r#piece() {}";
        let found = problems(&[source("tests/it/x.rs", text), source("xtask/stand_in_for/y.rs", "")]);
        assert_eq!(
            found,
            [
                "the name `PIECE`: use `chunk` for `piece` (tests/it/x.rs)",
                "the name `PieceReader`: use `chunk` for `piece` (tests/it/x.rs)",
                "the name `last_piece`: use `chunk` for `piece` (tests/it/x.rs)",
                "the name `piece`: use `chunk` (tests/it/x.rs)",
                "the name `pieces_read`: use `chunks` for `pieces` (tests/it/x.rs)",
                "the name `stand_in_for`: use `placeholder` for `stand_in` (xtask/stand_in_for/y.rs)",
            ]
        );
    }

    #[test]
    fn common_words_count_only_on_their_own() {
        let text = "fn so_far() { read_ahead.and_then(refresh, centerpiece, bytes_received, sum(then)) }";
        assert!(problems(&[source("src/x.rs", text)]).is_empty());
        assert_eq!(problems(&[source("src/x.rs", "far(Sum::new())")]).len(), 2);
    }

    #[test]
    fn names_are_compared_in_snake_case() {
        assert_eq!(snake_case("PieceReader"), "piece_reader");
        assert_eq!(snake_case("LAST_PIECE"), "last_piece");
        assert_eq!(snake_case("HTTPPiece2"), "http_piece2");
    }
}
