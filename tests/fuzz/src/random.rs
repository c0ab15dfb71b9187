//! Random inputs, each identified by its number: JSON with much depth, odd escapes, huge numbers and
//! duplicate keys, in the shapes that a target expects, and the files in `seeds` with some bytes changed.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::targets::{Inputs, TOKEN, Target};

/// Returns the target's input with this number.
pub fn input(target: &Target, case: u64) -> Vec<u8> {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&case.to_le_bytes());
    for (place, byte) in seed[8..].iter_mut().zip(target.name.bytes()) {
        *place = byte;
    }
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    inputs(target).new_tree(&mut runner).expect("nothing is filtered").current()
}

fn inputs(target: &Target) -> BoxedStrategy<Vec<u8>> {
    let seeds = seeds(target);
    let made = made(target.inputs).prop_map(String::into_bytes);
    let changed = (prop_oneof![select(seeds.clone()).boxed(), made.clone().boxed()], vec(change(), 1..6))
        .prop_map(|(input, changes)| changes.into_iter().fold(input, |input, change| change.applied(input)));
    prop_oneof![4 => made, 1 => select(seeds), 3 => changed].boxed()
}

/// Returns the files in the target's directory in `seeds`.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let directory = format!("{}/seeds/{}", env!("CARGO_MANIFEST_DIR"), target.inputs.directory());
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .expect("there are seeds")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("it can be read")).collect()
}

impl Inputs {
    /// The directory of these inputs' seeds.
    pub fn directory(self) -> &'static str {
        match self {
            Inputs::Errors => "errors",
            Inputs::Pages => "pages",
            Inputs::Items => "items",
            Inputs::Json => "json",
            Inputs::Conversions => "conversions",
            Inputs::Links => "links",
            Inputs::Sessions => "sessions",
            Inputs::Checkpoints => "checkpoints",
            Inputs::Heads => "heads",
            Inputs::Cache => "cache",
            Inputs::Text => "text",
        }
    }
}

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, &'static str),
    /// Repeats the bytes from the first index to the second this many times, or removes them.
    Repeat(prop::sample::Index, prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

impl Change {
    fn applied(self, mut input: Vec<u8>) -> Vec<u8> {
        let length = input.len();
        if length == 0 {
            return input;
        }
        match self {
            Change::Set(at, byte) => input[at.index(length)] = byte,
            Change::Insert(at, text) => {
                let at = at.index(length);
                input.splice(at..at, text.bytes());
            }
            Change::Repeat(from, to, times) => {
                let (from, to) = (from.index(length), to.index(length));
                let range = from.min(to)..from.max(to);
                let part = input[range.clone()].repeat(times.min((64 << 10) / range.len().max(1)));
                input.splice(range, part);
            }
            Change::Cut(at) => input.truncate(at.index(length)),
        }
        input
    }
}

fn change() -> impl Strategy<Value = Change> {
    let tokens = select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\\",
        "null",
        "0",
        "-",
        "1e999",
        r"\ud83d",
        r"\ude00",
        r"\u0000",
        "\u{feff}",
        "\n",
        "\0",
        "?a=",
        "://",
        "@",
        "/",
        "한",
        "18446744073709551615",
        "9223372036854775808",
        r#""url":"#,
        r#""results":"#,
        TOKEN,
    ]);
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), tokens).prop_map(|(at, text)| Change::Insert(at, text)),
        (at(), at(), prop_oneof![Just(0), 2..5_usize, Just(1000)])
            .prop_map(|(from, to, times)| Change::Repeat(from, to, times)),
        at().prop_map(Change::Cut),
    ]
}

/// A JSON string literal.
fn literal() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-z0-9 _.-]{0,12}",
        2 => select(vec![
            r"\n", r"\\", r#"\""#, r"\/", r"\u0026", r"\u0000", r"\ud83d", r"\ude00", r"\ud83d\ude00", r"\ud83d\ud83d", r"\x", r"\u12",
        ]).prop_map(str::to_owned),
        2 => select(vec![
            "https://h/a.png?X-Sig=0123", "/media/a.png", "data:image/png;base64,AAAA", "https://u:p@h:1/?", "//h/a", "s3://b/k", "?a=b", "C:/x",
            "2026-01-01T00:00:00.5+09:00", "한글", "\u{1f600}", "\u{7f}", "\t", TOKEN, "http://localhost:9/api/v1/models/?page=2", "cursor=cD0x",
        ]).prop_map(str::to_owned),
        1 => (0..4000_usize).prop_map(|length| "x".repeat(length)),
    ];
    vec(part, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<i16>().prop_map(|number| number.to_string()),
        2 => select(vec![
            "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1e999", "-0",
            "-0.0", "1e-999", "0.0017748622025346439", "123456789012345678901234567890", "01", "+1", "1.", ".5", "0x1", "NaN",
        ]).prop_map(str::to_owned),
        1 => any::<f64>().prop_map(|number| number.to_string()),
        1 => (1..400_usize).prop_map(|digits| "7".repeat(digits)),
    ]
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => select(vec!["null", "true", "false", "{}", "[]", r#""""#]).prop_map(str::to_owned),
        2 => number(),
        3 => literal(),
    ]
}

/// The keys that the crate handles.
fn key() -> impl Strategy<Value = String> {
    let known = select(vec![
        "id",
        "pgh_id",
        "name",
        "label",
        "score",
        "url",
        r"ur\u006c",
        "path",
        "file",
        "files",
        "size",
        "checksum",
        "data",
        "data_unit",
        "a",
        "b",
        "0",
        "metadata",
        "metrics",
        "created_at",
        "ground_truth_dataset_version",
        "detail",
        "code",
        "errors",
        "non_field_errors",
        "results",
        "count",
        "next",
        "previous",
        "$serde_json::private::RawValue",
        "expected_offset",
    ]);
    prop_oneof![4 => known.prop_map(|name| format!("\"{name}\"")), 1 => literal()]
}

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just(""), 1 => select(vec![" ", "\n", "\t", "\r\n  "])]
}

fn array(items: Vec<String>) -> String {
    format!("[{}]", items.join(","))
}

fn object(entries: Vec<(String, &str, String)>) -> String {
    let entries: Vec<_> =
        entries.into_iter().map(|(key, space, value)| format!("{key}{space}:{space}{value}")).collect();
    format!("{{{}}}", entries.join(","))
}

/// JSON that is nearly always valid.
fn json() -> impl Strategy<Value = String> {
    scalar().prop_recursive(5, 40, 8, |inner| {
        let entry = (key(), space(), inner.clone());
        prop_oneof![
            3 => vec(inner.clone(), 0..8).prop_map(array),
            6 => vec(entry, 0..8).prop_map(object),
            // The same value many times.
            1 => (inner.clone(), 1..300_usize).prop_map(|(item, times)| array(vec![item; times])),
            1 => (inner, prop_oneof![1..20_usize, 100..200_usize, 1000..8000_usize], any::<bool>()).prop_map(|(inner, depth, closed)| {
                match closed {
                    true => format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth)),
                    false => format!(r#"{}{inner}{}"#, r#"{"a":"#.repeat(depth), "}".repeat(depth)),
                }
            }),
        ]
    })
}

/// An object with some of these entries, and others.
fn object_of(known: Vec<(&'static str, BoxedStrategy<String>)>) -> impl Strategy<Value = String> {
    let known: Vec<_> = known
        .into_iter()
        .map(|(name, value)| {
            let value = prop_oneof![8 => value, 1 => json()];
            prop::option::weighted(0.8, (Just(format!("\"{name}\"")), space(), value))
        })
        .collect();
    (known, vec((key(), space(), json()), 0..3))
        .prop_map(|(known, others)| object(known.into_iter().flatten().chain(others).collect()))
}

fn file() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => literal(),
        1 => Just("null".to_owned()),
        3 => object_of(vec![
            ("url", literal().boxed()),
            ("path", literal().boxed()),
            ("size", number().boxed()),
            ("checksum", literal().boxed()),
        ]),
    ]
}

fn files() -> impl Strategy<Value = String> {
    prop_oneof![
        file(),
        vec(file(), 0..6).prop_map(array),
        vec((key(), space(), file()), 0..6).prop_map(object),
        vec(vec((key(), space(), file()), 0..3).prop_map(object), 0..3).prop_map(array),
    ]
}

fn item() -> impl Strategy<Value = String> {
    object_of(vec![
        ("id", number().boxed()),
        ("pgh_id", number().boxed()),
        ("name", literal().boxed()),
        ("data", json().boxed()),
        ("data_unit", object_of(vec![("id", number().boxed()), ("files", files().boxed())]).boxed()),
        ("files", files().boxed()),
        ("file", file().boxed()),
        ("score", number().boxed()),
        ("created_at", literal().boxed()),
    ])
}

fn page() -> impl Strategy<Value = String> {
    let items = prop_oneof![
        4 => vec(item(), 0..6).prop_map(array),
        1 => vec(json(), 0..20).prop_map(array),
        1 => (item(), 1..60_usize).prop_map(|(item, times)| array(vec![item; times])),
    ];
    object_of(vec![
        ("count", number().boxed()),
        ("next", prop_oneof![literal(), Just("null".to_owned()), Just("false".to_owned())].boxed()),
        ("results", items.boxed()),
    ])
}

fn link() -> impl Strategy<Value = String> {
    let part = select(vec![
        "http:",
        "https:",
        "//",
        "localhost:9",
        "LOCALHOST:9",
        "evil",
        "@",
        ":",
        "/",
        "&X-Amz-Expires=1",
        "&X-Amz-Signature=2",
        "&sv=1&sr=b&se=2",
        "&sig=3",
        "&Signature=4&Expires=5",
        "&AWSAccessKeyId=6",
        "&response-content-type=a",
        "a.tar.gz",
        "api/v1",
        "models/",
        "..",
        "%2e%2e",
        "?",
        "page=2",
        "&",
        "cursor=x",
        "page=18446744073709551615",
        "#",
        "\\",
        " ",
        "%",
        "%00",
        "\u{7f}",
        "한",
        "[::1]",
        "offset=3",
        "data:",
        "C:",
        "a,b",
        "\n",
    ]);
    let known = select(vec![
        "http://localhost:9/api/v1/models/?page=2",
        "/models/?cursor=x",
        "/sdk/ground_truth_events/?cursor=x",
        "http://h/sdk/ground_truth_events/?cursor=x",
    ])
    .prop_map(str::to_owned);
    prop_oneof![3 => vec(part, 0..10).prop_map(|parts| parts.concat()), 1 => known, 1 => any::<String>()]
}

/// Numbers near the limits of their type.
fn count() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0..20_u64).prop_map(|number| number.to_string()),
        2 => (0..3_u64).prop_map(|from| (u64::MAX - from).to_string()),
        1 => (0..3_u64).prop_map(|from| (i64::MAX as u64 - from).to_string()),
        1 => Just("null".to_owned()),
        1 => number(),
    ]
}

fn session() -> impl Strategy<Value = String> {
    object_of(vec![
        ("version", prop_oneof![6 => Just("1".to_owned()), 1 => number()].boxed()),
        ("id", prop_oneof![number(), literal()].boxed()),
        ("url", link().prop_map(|link| format!("{link:?}")).boxed()),
        ("offset", count().boxed()),
        ("size", count().boxed()),
        ("modified", count().boxed()),
        ("chunk_size", count().boxed()),
    ])
}

fn checkpoint() -> impl Strategy<Value = String> {
    let at = prop_oneof![
        3 => (count(), count()).prop_map(|(number, item)| format!(r#"{{"page":{{"number":{number},"item":{item}}}}}"#)),
        3 => (count(), count(), link()).prop_map(|(number, item, link)| {
            format!(r#"{{"link":{{"url":{link:?},"number":{number},"item":{item}}}}}"#)
        }),
        1 => Just(r#""end""#.to_owned()),
    ];
    let pages = vec(
        (count(), count(), count()).prop_map(|(length, count, next)| format!("[{length},{count},{next}]")),
        0..12,
    );
    let required = (1..=2, at, pages, vec(count(), 0..5));
    let others = object_of(vec![
        ("until", count().boxed()),
        ("page_size", count().boxed()),
        ("offset", count().boxed()),
        ("total", count().boxed()),
    ]);
    (required, others).prop_map(|((version, at, pages, recent), others)| {
        let others = others
            .strip_prefix('{')
            .filter(|rest| rest.len() > 1)
            .map_or("}".to_owned(), |rest| format!(",{rest}"));
        format!(
            r#"{{"version":{version},"query":"this","at":{at},"recent":{},"pages":{}{others}"#,
            array(recent),
            array(pages)
        )
    })
}

fn conversions() -> impl Strategy<Value = String> {
    let path = select(vec![
        "files",
        "file",
        "files.a",
        "files.0",
        "files.a.url",
        "files.url",
        "data_unit.files",
        "data_unit",
        "a.b",
        "id",
        "files.path",
    ]);
    let kind = select(vec!["plain", "base", "strip", "host", "path", "fails", "some"]);
    let words = vec((path, kind).prop_map(|(path, kind)| format!("{path}={kind}")), 1..4);
    let flags = select(vec!["", " !skip", " !strict", " !skip !strict"]);
    let body = prop_oneof![item(), page(), json()];
    (words, flags, body).prop_map(|(words, flags, body)| format!("# {}{flags}\n{body}", words.join(" ")))
}

/// A response to a download request, mostly for a file of ten bytes.
fn response() -> impl Strategy<Value = String> {
    let place = || prop_oneof![6 => (0..12_u64).prop_map(|number| number.to_string()), 1 => count()];
    let size = || prop_oneof![4 => Just("10".to_owned()), 2 => Just("*".to_owned()), 2 => place()];
    let range = prop_oneof![
        4 => (place(), place(), size()).prop_map(|(first, last, size)| format!("bytes {first}-{last}/{size}")),
        2 => size().prop_map(|size| format!("bytes */{size}")),
        1 => select(vec!["items 0-1/2", "bytes", "bytes 0-1", "bytes -/", "bytes 1-2/3, bytes 1-2/3"]).prop_map(str::to_owned),
    ];
    let digest = select(vec![
        "content-md5: kAFQmDzST7DWlj99KOF/cg==",
        "content-digest: md5=:kAFQmDzST7DWlj99KOF/cg==:;a=\"b,c\", sha-256=:AAAA:",
        "repr-digest: crc32c=:Nks/tw==:",
        "digest: SHA=qZk+NkcGgWq6PiVxeFDCbJzQ2J0=,unixsum=1",
        "x-goog-hash: crc32c=Nks/tw==,md5=x",
        "x-goog-stored-content-encoding: gzip",
        "x-amz-checksum-crc32c: Nks/tw==-2",
        "x-amz-checksum-type: COMPOSITE",
    ]);
    let other = select(vec![
        "etag: \"a\"",
        "etag: \"a\"",
        "etag: \"b\"",
        "etag: W/\"a\"",
        "last-modified: Sun, 06 Nov 1994 08:49:37 GMT",
        "date: Sun, 06 Nov 1994 08:49:38 GMT",
        "content-encoding: gzip",
        "content-encoding: aws-chunked",
        "content-type: application/x-gzip",
    ]);
    let header = prop_oneof![
        3 => range.prop_map(|range| format!("content-range: {range}")),
        2 => size().prop_map(|size| format!("content-length: {size}")),
        1 => digest.prop_map(str::to_owned),
        4 => other.prop_map(str::to_owned),
    ];
    let status = select(vec![200, 206, 206, 206, 416, 203, 204, 404]);
    (status, place(), vec(header, 0..6))
        .prop_map(|(status, length, headers)| format!("{status} {length}\n{}", headers.join("\n")))
}

/// Lines of an index, with and without a checksum.
fn cache() -> impl Strategy<Value = String> {
    let hash = prop_oneof![6 => select(vec!["H0", "H1", "H2", "h0", ""]).prop_map(str::to_owned), 1 => "[0-9a-f]{30,33}"];
    let extension = select(vec!["png", "tar.gz", "-", "PNG", "..", "a/b", "png\0", "", "한"]);
    let size = prop_oneof![4 => select(vec!["10", "6", "0", "11"]).prop_map(str::to_owned), 2 => count(), 1 => number()];
    let word = select(vec![
        " old",
        " of=H0:1",
        " of=H0:0",
        " of=H1:18446744073709551615",
        " of=H2",
        " md5=0123456789abcdef0123456789abcdef",
        " sha1=",
        " told=5",
        " etag=%22a%22",
        " etag=*",
        " modified=253402300800",
        " stamp=18446744073709551616",
        " =",
        " x",
    ]);
    let added = (hash.clone(), extension, size, vec(word, 0..5))
        .prop_map(|(hash, extension, size, words)| format!("=+ {hash} {extension} {size}{}", words.concat()));
    let line = prop_oneof![
        6 => added,
        2 => hash.prop_map(|hash| format!("=- {hash}")),
        1 => "[+-] [0-9a-f]{32} png 1 [0-9a-f]{8}",
        1 => any::<String>(),
        1 => (1..900_usize).prop_map(|length| format!("=+ H0 png 10 {}", "x".repeat(length))),
    ];
    let head = select(vec![
        "",
        "",
        "",
        "",
        "",
        "#",
        "#synapse-file-cache 1 0123456789abcdef\n",
        "#synapse-file-cache 3 0\n",
    ]);
    (head, vec(line, 0..12)).prop_map(|(head, lines)| format!("{head}{}", lines.join("\n")))
}

fn made(inputs: Inputs) -> BoxedStrategy<String> {
    match inputs {
        Inputs::Errors => {
            let markup = vec(
                select(vec![
                    "<html>",
                    "<title>",
                    "</title",
                    "<Error>",
                    "<Code>",
                    "<Message>",
                    "<?xml",
                    "502 Bad Gateway",
                    "\n",
                    " ",
                    "<",
                ]),
                0..12,
            );
            prop_oneof![6 => json(), 1 => literal(), 1 => markup.prop_map(|parts| parts.concat())].boxed()
        }
        Inputs::Pages => page().boxed(),
        Inputs::Items => item().boxed(),
        Inputs::Json => prop_oneof![json(), files(), item()].boxed(),
        Inputs::Conversions => conversions().boxed(),
        Inputs::Links => link().boxed(),
        Inputs::Sessions => session().boxed(),
        Inputs::Checkpoints => checkpoint().boxed(),
        Inputs::Heads => vec(response(), 1..6).prop_map(|responses| responses.join("\n\n")).boxed(),
        Inputs::Cache => cache().boxed(),
        Inputs::Text => prop_oneof![
            vec(prop_oneof![literal(), number(), link()], 0..6).prop_map(|parts| parts.concat()),
            json(),
            any::<String>(),
            number(),
            select(vec![
                "Sun, 06 Nov 1994 08:49:47 GMT",
                "2026-01-01T00:00:00Z",
                "2026-02-30",
                "-9999-01-01T00:00:00Z",
                "3"
            ])
            .prop_map(str::to_owned),
        ]
        .boxed(),
    }
}
