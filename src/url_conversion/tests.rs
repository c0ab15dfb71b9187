use super::*;
use crate::marker::{MARKER, assert_error_hidden};

fn cdn() -> Conversions {
    let mut conversions = Conversions::default();
    for field in ["file", "files", "data_unit.files"] {
        conversions.plain(field, |url| format!("https://cdn{url}"));
    }
    conversions
}

async fn converted(text: &str, list: bool) -> String {
    apply(cdn(), text, list).await.unwrap()
}

async fn apply(conversions: Conversions, text: &str, page: bool) -> Result<String, Error> {
    let converted = Arc::new(conversions).apply(Bytes::copy_from_slice(text.as_bytes()), page).await?;
    Ok(String::from_utf8(converted.body.into()).unwrap())
}

#[tokio::test]
async fn every_shape_is_converted_and_every_other_byte_stays() {
    for (text, expected) in [
        (r#"{"file": "/a"}"#, r#"{"file": "https://cdn/a"}"#),
        (
            r#" { "x" : 1.10 , "file" : "\/a\u002fb" , "url": "/no" } "#,
            r#" { "x" : 1.10 , "file" : "https://cdn/a/b" , "url": "/no" } "#,
        ),
        (r#"{"files": {"one": "/1", "two": null, "n": 3}}"#, r#"{"files": {"one": "https://cdn/1", "two": null, "n": 3}}"#),
        (
            r#"{"files": {"one": {"url": "/1", "size": 1e2, "name": "x"}, "two": {"size": 0}}}"#,
            r#"{"files": {"one": {"url": "https://cdn/1", "size": 1e2, "name": "x"}, "two": {"size": 0}}}"#,
        ),
        (
            r#"{"files": [{"url": "/1", "name": "n"}, "/2", null, {"url": null, "name": "/no"}, {"name": "/no"}]}"#,
            r#"{"files": [{"url": "https://cdn/1", "name": "n"}, "https://cdn/2", null, {"url": null, "name": "/no"}, {"name": "/no"}]}"#,
        ),
        // Of a list's objects only what they hold tells that they are name -> URL.
        (
            r#"{"files": [{"a": "/1", "b": null}, {"c": "https://h/2"}, {"d": "/3", "name": "x"}, {"e": "text"}]}"#,
            r#"{"files": [{"a": "https://cdn/1", "b": null}, {"c": "https://cdnhttps://h/2"}, {"d": "/3", "name": "x"}, {"e": "text"}]}"#,
        ),
        (r#"{"files": {"url": "/1", "name": "n"}}"#, r#"{"files": {"url": "https://cdn/1", "name": "n"}}"#),
        (
            r#"{"data_unit": [{"files": {"a": "/1"}}, {"files": "/2"}]}"#,
            r#"{"data_unit": [{"files": {"a": "https://cdn/1"}}, {"files": "https://cdn/2"}]}"#,
        ),
        (r#"{"file": null, "files": 7, "data_unit": 12}"#, r#"{"file": null, "files": 7, "data_unit": 12}"#),
        (r#"{"odd": "\ud83d", "n": 1e999, "file": "/a"}"#, r#"{"odd": "\ud83d", "n": 1e999, "file": "https://cdn/a"}"#),
        ("not json", "not json"),
        ("[]", "[]"),
    ] {
        assert_eq!(converted(text, false).await, expected);
    }
}

#[tokio::test]
async fn a_page_is_converted_item_by_item() {
    let text = r#"{"count": 2, "file": "/page", "results": [ {"id": 1, "file": "/a"}, {"id": 2}, {"id": 3, "file": "/b"} ]}"#;
    let expected = r#"{"count": 2, "file": "/page", "results": [ {"id": 1, "file": "https://cdn/a"}, {"id": 2}, {"id": 3, "file": "https://cdn/b"} ]}"#;
    assert_eq!(converted(text, true).await, expected);
    assert_eq!(converted(r#"{"results": null}"#, true).await, r#"{"results": null}"#);
}

#[tokio::test]
async fn a_failing_converter_names_item_field_and_url_without_its_query() {
    struct Failing;
    impl UrlConverter for Failing {
        fn convert<'u>(&'u self, _: &'u str) -> ConversionFuture<'u> {
            Box::pin(async { Err("disk full".into()) })
        }
    }
    let mut conversions = Conversions::default();
    conversions.with("file", Failing);
    let page = format!(r#"{{"results": [{{"id": 7, "file": "https://h/x?sig={MARKER}"}}]}}"#);
    let error = apply(conversions, &page, true).await.unwrap_err();
    assert_error_hidden(&error);
    assert_eq!(error.to_string(), "url_conversion of `file` of item 7: https://h/x?…: disk full");
}

#[test]
fn a_path_with_an_empty_name_is_a_problem() {
    let mut conversions = Conversions::default();
    conversions.plain("a..b", str::to_owned);
    assert_eq!(conversions.problems().count(), 1);
}
