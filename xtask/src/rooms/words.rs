//! Finds names that have been replaced by the field's standard term.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;

use crate::handwritten::modules::SourceFile;

/// Replaced names of modules, types, functions and fields, each with its replacement.
const WORDS: [(&str, &str); 62] = [
    ("Anew", "Restart"),
    ("Answered", "ResponseParts"),
    ("AnyRequest", "CustomRequest"),
    ("Begun", "LastLookup"),
    ("CacheAt", "CacheLocation"),
    ("Downloaded", "DownloadedFile"),
    ("Facts", "FileRecord"),
    ("FilesProgress", "BatchProgress"),
    ("ForeignUrl", "CrossOrigin"),
    ("Heard", "Observation"),
    ("ListEvent", "ListAnomaly"),
    ("Mended", "Repaired"),
    ("Meter", "ByteCounter"),
    ("NotUnpacked", "ContentError"),
    ("OneShotSource", "StreamSource"),
    ("Outgoing", "TransportRequest"),
    ("Packed", "Compressed"),
    ("Piece", "Chunk"),
    ("Pieces", "Chunks"),
    ("Received", "IncomingResponse"),
    ("Related", "Expandable"),
    ("Reopen", "RewindableSource"),
    ("SentBody", "RequestBody"),
    ("Sum", "DigestValue"),
    ("Then", "Next"),
    ("Told", "ProgressReporter"),
    ("Unpacking", "ContentDecoder"),
    ("ahead", "prefetch"),
    ("anew", "restart"),
    ("any_request", "custom_request"),
    ("as_sent", "no_decompression"),
    ("astray", "discard_prefetched"),
    ("come_on", "advance"),
    ("course", "plan"),
    ("current_page", "page_cursor"),
    ("distinct", "deduplicate"),
    ("durable", "fsync"),
    ("elsewhere", "allow_cross_origin"),
    ("facts", "file_record"),
    ("far", "saturating_deadline"),
    ("feed", "chunk_source"),
    ("fresh", "new_connection"),
    ("heard", "observed"),
    ("judge", "compare"),
    ("list_event", "list_anomaly"),
    ("list_query", "query_fingerprint"),
    ("lose", "mark_unrecoverable"),
    ("max_requests_in_flight", "max_concurrent_requests"),
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
    ("start_anew", "restart"),
    ("take_up", "restore"),
    ("told", "reported"),
    ("unpacking", "content_decoder"),
];

/// Reports each replaced name in the code, with the files that contain it.
pub fn problems(files: &[SourceFile]) -> Vec<String> {
    let mut found: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for file in files {
        let mut names = Vec::new();
        for item in &file.items {
            collect(item.to_token_stream(), &mut names);
        }
        names.extend(file.name.trim_end_matches(".rs").split('/').map(str::to_owned));
        for word in WORDS.iter().filter(|(word, _)| names.iter().any(|name| name == word)) {
            found.entry(*word).or_default().push(&file.name);
        }
    }
    let problem = |((word, better), files): ((&str, &str), Vec<&str>)| {
        format!("the name `{word}`: use `{better}` ({})", files.join(", "))
    };
    found.into_iter().map(problem).collect()
}

fn collect(tokens: TokenStream, names: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => names.push(ident.to_string()),
            TokenTree::Group(group) => collect(group.stream(), names),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_names_found_in_code_only() {
        let text = "/// The course of it.\nfn f() { let text = \"Sending\"; self.settle(); }";
        let file = SourceFile::parse("src/ahead.rs", Vec::new(), text).unwrap();
        assert_eq!(
            problems(&[file]),
            [
                "the name `ahead`: use `prefetch` (src/ahead.rs)",
                "the name `settle`: use `poll_completion` (src/ahead.rs)"
            ]
        );
    }
}
