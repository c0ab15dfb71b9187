//! Hostile inputs, each of any size.

use crate::targets::TOKEN;

/// Inputs of one kind.
pub struct Hostile {
    pub name: &'static str,
    /// Makes an input of about this size. An input of four times the size has four times as much of the
    /// hostile content.
    pub make: fn(usize) -> Vec<u8>,
}

macro_rules! hostile {
    ($($(#[$about:meta])* $name:ident($size:ident) $make:block)*) => {
        /// All kinds.
        pub const HOSTILE: &[Hostile] = &[$({
            fn $name($size: usize) -> Vec<u8> {
                String::into_bytes($make)
            }
            Hostile { name: stringify!($name), make: $name }
        }),*];
    };
}

/// Concatenates `each` of consecutive numbers to about `size` bytes.
fn many(size: usize, mut each: impl FnMut(usize) -> String) -> String {
    let mut text = String::with_capacity(size + 100);
    let mut number = 0;
    while text.len() < size {
        if number > 0 {
            text.push(',');
        }
        text.push_str(&each(number));
        number += 1;
    }
    text
}

/// Repeats `text` to about `size` bytes.
fn repeated(text: &str, size: usize) -> String {
    text.repeat(size / text.len() + 1)
}

fn page(items: &str) -> String {
    format!(r#"{{"count": 7, "next": null, "results": [{items}]}}"#)
}

hostile! {
    open_arrays(size) { "[".repeat(size) }

    closed_arrays(size) { "[".repeat(size / 2) + &"]".repeat(size / 2) }

    open_objects(size) { repeated(r#"{"a":"#, size) }

    closed_objects(size) {
        let depth = size / 6;
        format!("{}0{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
    }

    /// Deep values at the root, in a field, and on the path to a field.
    deep_fields(size) {
        let deep = |size: usize| "[".repeat(size / 2) + &"]".repeat(size / 2);
        format!(r#"{{"id": 1, "data": {{"label": {0}}}, "files": {0}, "data_unit": {{"id": 2, "files": {0}}}, "label": "bus"}}"#, deep(size / 3))
    }

    deep_items(size) {
        let deep = |size: usize| r#"{"files":["#.repeat(size / 20) + &"]}".repeat(size / 20);
        page(&many(size, |n| format!(r#"{{"id": {n}, "files": {}}}"#, deep(size / 8))))
    }

    deep_names(size) {
        let depth = size / 12;
        format!(r##"# files=path data_unit.files=plain
{{"files": {}"/media/a"{}}}"##, r#"{"a":[{"b":"#.repeat(depth), "}]}".repeat(depth))
    }

    /// The path of each of its children is as long as the key.
    long_key(size) {
        format!(r#"{{"{}": {{{}}}}}"#, "K".repeat(size / 3), many(size * 2 / 3, |n| format!(r#""{n}":"""#)))
    }

    long_keys(size) {
        let key = "K".repeat(size / 6);
        format!(r#"{{"{key}": {{"{key}": {{{}}}, "x": [{}]}}}}"#, many(size / 3, |n| format!(r#""{n}":["bad"]"#)), many(size / 3, |_| "[\"\"]".to_owned()))
    }

    field_errors(size) { format!("{{{}}}", many(size, |n| format!(r#""{n}":["x"]"#))) }

    nested_lists(size) { format!("[{}]", many(size, |_| r#"[{"a":["b"]}]"#.to_owned())) }

    long_message(size) { format!(r#"{{"detail": "{}"}}"#, "x".repeat(size)) }

    zeros(size) { format!("[{}]", many(size, |_| "0".to_owned())) }

    zero_items(size) { page(&many(size, |_| "0".to_owned())) }

    empty_items(size) { page(&many(size, |_| "{}".to_owned())) }

    items_of_wrong_type(size) { page(&many(size, |n| format!(r#"{{"id":"{n}","name":7}}"#))) }

    items_with_a_null(size) { page(&many(size, |n| format!(r#"{{"id":{n},"name":[null],"created_at":{{}}}}"#))) }

    /// The last item can't be decoded.
    one_bad_item(size) { page(&(many(size, |n| format!(r#"{{"id":{n}}}"#)) + r#",{"id":"x"}"#)) }

    doubled_items(size) { page(&many(size, |_| r#"{"id":1,"pgh_id":1}"#.to_owned())) }

    half_pairs(size) { page(&many(size, |n| format!(r#"{{"id":{n},"name":"\ud83d","data":"\ud83d"}}"#))) }

    half_pairs_in_a_text(size) { format!(r#"{{"id":1,"name":"{0}","label":"{0}"}}"#, repeated(r"\ud83d", size / 2)) }

    half_pairs_in_a_key(size) { format!(r#"{{"{0}":1,"files":{{"{0}":"/media/a"}},"id":1}}"#, repeated(r"\ude00", size / 2)) }

    broken_escapes(size) { page(&many(size, |n| format!(r#"{{"id":{n},"name":"\x\u12 \ud83d\u"}}"#))) }

    control_characters(size) { page(&many(size, |n| format!("{{\"id\":{n},\"name\":\"\u{1}\n\"}}"))) }

    text_for_a_number(size) { format!(r#"{{"id":"{0}","count":"{0}","offset":"{0}"}}"#, "7".repeat(size / 3)) }

    text_for_an_items_number(size) { page(&format!(r#"{{"id":"{0}"}},{{"id":1,"score":"{0}","name":{{"{0}":0}}}}"#, "7".repeat(size / 3))) }

    text_for_a_count(size) { format!(r#"{{"count":"{}","next":7,"results":[]}}"#, "7".repeat(size)) }

    long_number(size) { format!(r#"{{"id":1{},"name":"x"}}"#, "0".repeat(size)) }

    long_fraction(size) { page(&format!(r#"{{"id":1,"score":0.{0}1,"data":1e{0}9}}"#, "0".repeat(size / 2))) }

    numbers_out_of_range(size) { page(&many(size, |n| format!(r#"{{"id":{n},"score":1e999,"data":1e999}}"#))) }

    /// Each failing URL of the item would repeat this `id`.
    long_id(size) {
        format!("# files=fails !skip\n{}", page(&format!(
            r#"{{"id":"{}","files":{{{}}}}}"#, "7".repeat(size / 2), many(size / 2, |n| format!(r#""{n}":"/a""#)))))
    }

    failing_urls(size) { format!("# files=fails file=fails !skip\n{}", page(&many(size, |n| format!(r#"{{"id":{n},"file":"/a","files":["/b","/c"]}}"#)))) }

    long_failing_urls(size) {
        format!("# files=fails !skip\n{}", page(&many(size, |n| format!(r#"{{"id":{n},"files":"/{}?sig=x"}}"#, "a".repeat(size / 20)))))
    }

    overlapping_places(size) {
        format!("# files=plain files.a=path files.a.url=plain\n{}", page(&many(size, |n| format!(
            r#"{{"id":{n},"files":{{"a":{{"path":"/x","url":"/media/a","ur\u006c":"/b"}}}}}}"#))))
    }

    many_urls(size) { format!("# files=path\n{{\"files\":{{{}}}}}", many(size, |n| format!(r#""f{n}":{{"path":"/x","url":"/a","size":1}}"#))) }

    a_list_on_the_way(size) { format!("# a.b.files=path a.b=plain\n{{\"a\":[{}]}}", many(size, |_| r#"{"b":[{"files":"/a"}]}"#.to_owned())) }

    doubled_keys(size) { format!("{{{}}}", many(size, |n| format!(r#""url":"/{n}","id":{n},"label":"","query":"""#))) }

    doubled_results(size) { format!("{{{}}}", many(size, |n| format!(r#""results":[{n}],"next":"""#))) }

    many_fields(size) { format!(r#"{{"id":1,{}}}"#, many(size, |n| format!(r#""field_{n}":{{}}"#))) }

    white_space(size) { format!(r#"{{"results":{}[{0}]{0}}}"#, " \n".repeat(size / 6)) }

    lines(size) { "\n".repeat(size) }

    titles(size) { repeated("<title", size) }

    title_of_many_lines(size) { format!("<html><title>{}</title>", "a\n\n".repeat(size / 3)) }

    storage_errors(size) { repeated("<Error><Code>", size) }

    urls(size) { repeated("https://u:p@h/a?s=1 ", size) }

    queries(size) { repeated("/?a=", size) }

    user_infos(size) { repeated("://@", size) }

    quotes(size) { repeated(r#"\"/?\\""#, size) }

    backslashes(size) { "\\".repeat(size) }

    quoted_urls(size) { format!("{{{}}}", many(size, |n| format!(r#""{n}":"\"\/a?\\\"b\"""#))) }

    escapes(size) { format!(r#"{{"detail":"{}"}}"#, repeated(r"\u0026\/\u003f", size)) }

    tokens(size) { repeated(TOKEN, size) }

    tokens_in_fields(size) { format!("{{{}}}", many(size, |n| format!(r#""{n}{TOKEN}":["{TOKEN}"]"#))) }

    beginnings_of_tokens(size) { repeated(&TOKEN[..TOKEN.len() - 1], size) }

    long_link(size) { format!("http://localhost:9/api/v1/models/?{}", repeated("a=b&page=7&", size)) }

    dots_in_a_link(size) { format!("/api/v1/{}", repeated("../%2e%2E/./", size)) }

    data_uri(size) { format!("data:image/png;base64,{}", "A".repeat(size)) }

    long_checkpoint(size) {
        format!(r#"{{"version":2,"query":"this","at":{{"page":{{"number":3,"item":5}}}},"until":9,"recent":[{}],"pages":[{}]}}"#,
            many(size / 2, |n| n.to_string()), many(size / 2, |n| format!("[1,9,{}]", n + 4)))
    }

    long_query(size) { format!(r#"{{"version":2,"query":"list http://h/?{}","at":"end"}}"#, repeated("a=b&", size)) }

    long_link_of_a_checkpoint(size) {
        format!(r#"{{"version":2,"query":"this","at":{{"link":{{"url":"/sdk/ground_truth_events/?{}","number":1,"item":0}}}}}}"#, repeated("a=b&", size))
    }

    long_session(size) {
        format!(r#"{{"version":1,"id":"{0}","url":"http://localhost:9/{0}","offset":0,"size":9,"modified":null,"chunk_size":1}}"#, "7".repeat(size / 2))
    }

    many_digests(size) { format!("200 9\nrepr-digest: {}", many(size, |_| "md5=:kAFQmDzST7DWlj99KOF/cg==:".to_owned())) }

    many_responses(size) { repeated("206 1\ncontent-range: bytes 1-1/9\netag: \"a\"\ndigest: md5=AAAAAAAAAAAAAAAAAAAAAA==\n\n", size) }

    long_headers(size) {
        let commas = ",".repeat(size / 6);
        format!("200 9\netag: \"{0}\"\ncontent-encoding: {1}\nx-goog-hash: {1}\ncontent-digest: {1}\nlast-modified: {0}\nwarning: {0}", "x".repeat(size / 6), commas)
    }

    cache_lines(size) {
        let line = |number| format!("=+ {number:032x} e{number} {number} md5={number:032x} stamp=7\n");
        (0..size / 100 + 1).map(line).collect::<String>()
    }

    /// Each line is another version of a file, and supersedes the one before.
    cache_versions(size) {
        (0..size / 100 + 1).map(|number| format!("=+ {number:032x} - 1 of=H0:{number} old\n=- {number:032x}\n")).collect::<String>()
    }

    cache_long_line(size) { format!("=+ H0 png 10 {}", "x".repeat(size)) }

    signed_queries(size) {
        let mut number = 0;
        let mut url = String::from("https://h/p?");
        while url.len() < size {
            url.push_str(&format!("X-S{number}-Signature=1&X-S{number}-Expires=2&sig=3&Signature=4&"));
            number += 1;
        }
        url
    }

    spaces(size) { format!("{}1", " ".repeat(size)) }

    digits(size) { "7".repeat(size) }

    any_text(size) { "한\u{301}".repeat(size / 5) }
}
