//! The parameters in a URL's query.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::error::redact::excerpt;

/// Replaces or adds parameters, each once per value. A parameter without values is removed. Other parameters
/// stay.
pub(crate) fn set(url: &mut Url, params: &[(String, Vec<String>)]) {
    if params.is_empty() {
        return;
    }
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !params.iter().any(|(other, _)| other == name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.set_query(None);
    let added = params.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let mut pairs = kept.iter().map(|(name, value)| (name, value)).chain(added).peekable();
    if pairs.peek().is_some() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
}

/// Returns the problem of a query that is longer than `most` bytes, if it is.
pub(crate) fn too_long(url: &Url, most: Option<u32>) -> Option<String> {
    let (most, bytes) = (most? as usize, url.query()?.len());
    if bytes <= most {
        return None;
    }
    let url_length =
        |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).map(str::len).sum::<usize>();
    let mut lengths: BTreeMap<String, usize> = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        let own = url_length(&name) + url_length(&value) + "&=".len();
        *lengths.entry(name.into_owned()).or_default() += own;
    }
    let (name, length) = lengths.into_iter().max_by_key(|(_, length)| *length)?;
    let (name, length) = (excerpt(&name, 100), length.min(bytes));
    Some(format!(
        "`{name}` is {length} of the query's {bytes} bytes: the server accepts at most {most}. Send several requests, or \
         filter by a range"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_parameter_is_named() {
        let problem =
            |query: &str, most: u32| too_long(&format!("http://h/?{query}").parse().unwrap(), Some(most));
        assert_eq!(problem("a=1&b=2", 7), None);
        assert_eq!(
            problem("a=1&b=2&b=3", 7).unwrap(),
            "`b` is 8 of the query's 11 bytes: the server accepts at most 7. Send several requests, or filter by a range"
        );
        // Names and escapes count, too.
        for query in ["search=abcdef&ids=1&ids=2&ids=3", "search=abcdef&ids=%ED%95%9C%EA%B8%80"] {
            assert!(problem(query, 7).unwrap().starts_with("`ids`"), "{query}");
        }
        let url: Url = "http://h/".parse().unwrap();
        assert_eq!(
            (too_long(&url, Some(0)), problem("a=1", 3), problem("a=1", 2).is_some()),
            (None, None, true)
        );
        assert_eq!(too_long(&"http://h/?a=1".parse().unwrap(), None), None);
    }

    #[test]
    fn parameter_replaced_repeated_or_removed() {
        let set_to = |name: &str, values: &[&str]| {
            let mut url: Url = "http://h/?a=1&b=x%20y&a=2".parse().unwrap();
            set(&mut url, &[(name.to_owned(), values.iter().map(ToString::to_string).collect())]);
            url.query().map(str::to_owned)
        };
        assert_eq!(set_to("a", &["3"]).as_deref(), Some("b=x+y&a=3"));
        assert_eq!(set_to("c", &["&", "="]).as_deref(), Some("a=1&b=x+y&a=2&c=%26&c=%3D"));
        assert_eq!(set_to("a", &[]).as_deref(), Some("b=x+y"));
        let mut only: Url = "http://h/?a=1".parse().unwrap();
        set(&mut only, &[("a".to_owned(), vec![])]);
        assert_eq!(only.as_str(), "http://h/");
    }
}
